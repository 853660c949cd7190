-- KEYS: the stream, and a key named as the new group. ARGV: the start of all such names, seconds, the entry
-- behind which the group begins.
-- Makes a group for one subscription, with a lease that the subscription has to renew, and destroys those whose
-- lease was not: their process was killed, and their messages would be kept for ever.
if redis.call('EXISTS', KEYS[1]) == 1 then
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local name = info[2]
    if name:sub(1, #ARGV[1]) == ARGV[1] and redis.call('EXISTS', name) == 0 then
      redis.call('XGROUP', 'DESTROY', KEYS[1], name)
    end
  end
end
redis.call('SET', KEYS[2], '', 'EX', ARGV[2])
redis.call('XGROUP', 'CREATE', KEYS[1], KEYS[2], ARGV[3], 'MKSTREAM')
return 1
