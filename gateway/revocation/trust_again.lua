-- The operator has dealt with a restored store: whatever was seen of it before now is no evidence any more.
-- KEYS deployment
-- ARGV
-- RETURNS now_ms
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', deployment_key, 'dealt_with_ms', string.format('%.0f', now))
redis.call('HDEL', deployment_key, 'restored_ms')
return now
