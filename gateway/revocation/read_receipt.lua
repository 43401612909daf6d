-- What is known about one revocation, how long ago it was recorded, and its partition's home. Writes, so that replicas
-- can confirm it together with the revocation before.
-- INCLUDE epoch.lua
-- KEYS receipt home
-- ARGV
-- RETURNS {now_ms, run_id, home_age_ms, {field, value, ...}}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local run_id, _, since_ms = current_epoch(home_key, now)
local fields = redis.call('HGETALL', receipt_key)
if #fields > 0 then redis.call('HSET', receipt_key, 'read_at_ms', string.format('%.0f', now)) end
return {now, run_id, since_ms > 0 and math.max(now - since_ms, 0) or -1, fields}
