-- KEYS: the key of each change. ARGV: for each change `set` or `delete`, condition, data, milliseconds to live; at
-- the end a first version. Answers 0, or the number of the first change whose condition does not hold; then nothing was changed.
local left = {}
for i, key in ipairs(KEYS) do
  local version = left[key]
  if version == nil then version = version_of(key) end
  if not holds(ARGV[4 * i - 2], version) then return i end
  -- Nobody can know the version that a change in this transaction makes.
  if ARGV[4 * i - 3] == 'set' then left[key] = '' else left[key] = false end
end
for i, key in ipairs(KEYS) do
  if ARGV[4 * i - 3] == 'set' then
    store(key, ARGV[4 * i - 1], ARGV[4 * i], i)
  else
    redis.call('DEL', key)
  end
end
return 0
