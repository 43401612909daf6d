-- Make every worker leave off trusting this store: mark it as restored and raise the epoch, which each notices with its
-- next heartbeat.
-- KEYS deployment
-- ARGV
-- RETURNS now_ms
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function whole(x) return string.format('%.0f', x) end
local epoch = math.max(tonumber(redis.call('HGET', deployment_key, 'epoch') or 0) + 1, now)
redis.call('HSET', deployment_key, 'restored_ms', whole(now), 'restored_by', 'operator', 'epoch', whole(epoch))
return now
