-- KEYS: the key. ARGV: the summand, a first version. Answers the sum as text, since Lua's numbers hold no more than
-- 53 bits.
local version = redis.call('HGET', KEYS[1], 'version')
redis.call('HINCRBY', KEYS[1], 'data', ARGV[1])
next_version(KEYS[1], version, 0)
return redis.call('HGET', KEYS[1], 'data')
