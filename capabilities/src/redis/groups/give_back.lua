-- KEYS: the stream. ARGV: group, consumer, id, how often the message was given to the group, how often it counts as given
-- from now on, milliseconds.
-- Makes a delivery look as old as that, so that the next claim takes it, unless it was claimed already.
if given(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) == tonumber(ARGV[4]) then
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'IDLE', ARGV[6], 'RETRYCOUNT', ARGV[5], 'JUSTID')
end
return 1
