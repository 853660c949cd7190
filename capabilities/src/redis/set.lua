-- KEYS: the key. ARGV: condition, data, milliseconds to live or '', a first version. Answers the version, or nil on a mismatch.
if not holds(ARGV[1], version_of(KEYS[1])) then return false end
return store(KEYS[1], ARGV[2], ARGV[3], 0)
