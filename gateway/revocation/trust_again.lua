-- The operator has dealt with a restored store: whatever was seen of it before now is no evidence any more. Or has moved
-- it, with nothing lost: then only that its directory is a copy is no evidence, and what speaks against it still counts.
-- KEYS deployment
-- ARGV as
-- RETURNS now_ms
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', deployment_key, as == 'moved' and 'moved_ms' or 'dealt_with_ms', string.format('%.0f', now))
redis.call('HDEL', deployment_key, 'restored_ms', 'restored_by')
return now
