-- KEYS: the stream, and where dead messages go. ARGV: group, consumer, id, how many messages may be there.
-- Answers 1, or 0 if there is no room; then the message stays where it is.
if not given(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then return 1 end
local message = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
if message then
  local fields = {}
  for i = 1, #message[2], 2 do
    if message[2][i] ~= 'expires' then
      fields[#fields + 1] = message[2][i]
      fields[#fields + 1] = message[2][i + 1]
    end
  end
  if not append(KEYS[2], tonumber(ARGV[4]), fields) then return 0 end
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
return 1
