-- Every registered worker with its last pulse, and when this store last became another, all as one instant saw it. Who
-- calls may be the first to come after a restart that lost rows: the restart is noticed here, not left to a heartbeat.
-- INCLUDE epoch.lua
-- KEYS deployment workers pulses
-- ARGV
-- RETURNS {{worker, row, ...}, {worker, pulse_ms, ...}, stamp_ms}
local t = redis.call('TIME')
local _, _, stamp = current_epoch(deployment_key, pulses_key, t[1] * 1000 + math.floor(t[2] / 1000))
return {redis.call('HGETALL', workers_key), redis.call('HGETALL', pulses_key), stamp}
