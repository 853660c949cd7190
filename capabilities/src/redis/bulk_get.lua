-- KEYS: the keys. Answers for each nil, or {data, version} and expiry in milliseconds (-1: none).
local entries = {}
for i, key in ipairs(KEYS) do
  local entry = redis.pcall('HMGET', key, 'data', 'version')
  if entry.err or not entry[1] then
    entries[i] = false
  else
    entries[i] = {entry, redis.call('PEXPIRETIME', key)}
  end
end
return entries
