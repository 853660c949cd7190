-- How often a consumer was given a message, and false if the message is not with this consumer any more.
local function given(stream, group, consumer, id)
  local pending = redis.pcall('XPENDING', stream, group, id, id, 1, consumer)
  return not pending.err and pending[1] and pending[1][4]
end
