-- Every registered worker with its last pulse, and when this store last became another, all as one instant saw it. Who
-- calls may be the first to come after a restart that lost rows: the restart is noticed here, not left to a heartbeat.
-- Writes, so that a former primary that others no longer follow cannot confirm it.
-- INCLUDE epoch.lua
-- KEYS deployment workers pulses
-- ARGV
-- RETURNS {{worker, row, ...}, {worker, pulse_ms, ...}, now_ms, run_id, stamp_ms, watched_since_ms}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local run_id, _, stamp = current_epoch(deployment_key, now)
redis.call('HSET', deployment_key, 'roll_call_ms', string.format('%.0f', now))
return {redis.call('HGETALL', workers_key), redis.call('HGETALL', pulses_key), now, run_id, stamp, tonumber(redis.call('HGET', deployment_key, 'watched_since_ms') or 0)}
