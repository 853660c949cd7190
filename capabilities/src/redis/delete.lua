-- KEYS: the key. ARGV: condition. Answers how many keys were deleted, or nil on a mismatch.
if not holds(ARGV[1], version_of(KEYS[1])) then return false end
return redis.call('DEL', KEYS[1])
