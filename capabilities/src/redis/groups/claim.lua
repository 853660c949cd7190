-- KEYS: the stream. ARGV: group, consumer, milliseconds until a delivery is overdue, where to begin, how many.
-- Answers where to go on, and the overdue messages, now given to this consumer: id, fields, how often given.
local start, claimed = ARGV[4], {}
-- One claim looks at a bounded number of deliveries, of which maybe none is overdue.
for _ = 1, 16 do
  local left = tonumber(ARGV[5]) - #claimed
  local found = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], start, 'COUNT', left)
  start = found[1]
  for _, message in ipairs(found[2]) do
    claimed[#claimed + 1] = { message[1], message[2], given(KEYS[1], ARGV[1], ARGV[2], message[1]) or 1 }
  end
  if start == '0-0' or #claimed >= tonumber(ARGV[5]) then break end
end
return { start, claimed }
