-- One heartbeat: write the worker's pulse, and say who and when this store is. Writes, so that a read-only or isolated
-- server can never renew a fence.
-- INCLUDE epoch.lua
-- KEYS deployment workers pulses
-- ARGV worker
-- RETURNS {row is there (1 | 0), now_ms, run_id, epoch, stamp_ms, lease_max_ms}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', pulses_key, worker, string.format('%.0f', now))
local run_id, epoch, stamp = current_epoch(deployment_key, now)
local lease_max = redis.call('HGET', deployment_key, 'lease_max_ms')
local known = redis.call('HEXISTS', workers_key, worker)
if known == 0 then redis.call('HDEL', pulses_key, worker) end
return {known, now, run_id, epoch, stamp, tonumber(lease_max or 0)}
