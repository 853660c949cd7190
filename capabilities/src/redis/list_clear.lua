-- KEYS: the key. Answers how many keys were deleted; LLEN fails on anything but a list.
redis.call('LLEN', KEYS[1])
return redis.call('DEL', KEYS[1])
