-- A plain value is a hash with the fields `data` and `version`, as in Dapr's Redis state store.

-- false: nothing there. '': something without a version. Otherwise the version.
local function version_of(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return false end
  if kind ~= 'hash' then return '' end
  return redis.call('HGET', key, 'version') or ''
end

local function holds(condition, version)
  if condition == 'always' then return true end
  if condition == 'absent' then return version == false end
  return condition == version
end

-- A key's first version is what the caller drew at random, the last argument; every change adds 1. So a key that is
-- deleted and written anew has none of its earlier versions again, whatever the server's clock does. `nth` tells apart
-- the changes of one script, which share that number.
local function next_version(key, version, nth)
  if version then return redis.call('HINCRBY', key, 'version', 1) end
  local first = ARGV[#ARGV]
  redis.call('HSET', key, 'version', first)
  if nth == 0 then return first end
  return redis.call('HINCRBY', key, 'version', nth)
end

local function store(key, data, ttl, nth)
  local version = version_of(key)
  if version == '' then
    redis.call('DEL', key)
    version = false
  end
  redis.call('HSET', key, 'data', data)
  local stored = next_version(key, version, nth)
  if ttl ~= '' then
    redis.call('PEXPIRE', key, ttl)
  elseif version then
    redis.call('PERSIST', key)
  end
  return stored
end
