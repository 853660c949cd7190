local function before(a, b)
  local am, as = a:match('(%d+)-(%d+)')
  local bm, bs = b:match('(%d+)-(%d+)')
  am, bm = tonumber(am), tonumber(bm)
  return am < bm or (am == bm and tonumber(as) < tonumber(bs))
end

-- Removes the messages of a stream that every group has settled.
local function trim(stream)
  local keep
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local group = {}
    for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
    local first = group['last-delivered-id']
    if group.pending > 0 then first = redis.call('XPENDING', stream, group.name)[2] end
    if not keep or before(first, keep) then keep = first end
  end
  if keep then
    redis.call('XTRIM', stream, 'MINID', keep)
  else
    redis.call('XTRIM', stream, 'MAXLEN', 0)
  end
end

-- Appends a message unless `most` are there that some group has not settled. Answers whether it did.
local function append(stream, most, fields)
  if redis.call('XLEN', stream) >= most then
    trim(stream)
    if redis.call('XLEN', stream) >= most then return false end
  end
  redis.call('XADD', stream, '*', unpack(fields))
  return true
end
