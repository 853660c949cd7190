-- KEYS: the stream. ARGV: how many unsettled messages it may hold, and fields and values.
-- Answers 1, or 0 if the stream is full.
return append(KEYS[1], tonumber(ARGV[1]), { unpack(ARGV, 2) }) and 1 or 0
