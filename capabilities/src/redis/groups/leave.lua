-- KEYS: the stream. ARGV: group. Forgets consumers that have no messages: one that still lives comes back with its
-- next read, and one that ended while it had some is forgotten when a later one leaves.
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then return 0 end
for _, info in ipairs(consumers) do
  local consumer = {}
  for i = 1, #info, 2 do consumer[info[i]] = info[i + 1] end
  if consumer.pending == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name) end
end
return 1
