-- KEYS: the keys. Answers for each nil, {data, version} and expiry in milliseconds (-1: none), or what else it holds.
local entries = {}
for i, key in ipairs(KEYS) do
  local entry = redis.pcall('HMGET', key, 'data', 'version')
  if entry.err then
    entries[i] = redis.call('TYPE', key).ok
  elseif not entry[1] then
    entries[i] = false
  else
    entries[i] = {entry, redis.call('PEXPIRETIME', key)}
  end
end
return entries
