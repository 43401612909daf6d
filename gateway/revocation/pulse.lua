-- One heartbeat: write the worker's pulse, and say who and when this store is. Writes, so that a read-only or isolated
-- server can never renew a fence.
-- INCLUDE epoch.lua
-- KEYS deployment workers pulses
-- ARGV worker expected_ms clock_tolerance_ms
-- RETURNS {row is there (1 | 0), now_ms, epoch, stamp_ms, lease_max_ms, born_ms, even_since_ms, losses 'from-until …'}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local _, epoch, stamp = current_epoch(deployment_key, pulses_key, now)
if expected_ms ~= '0' and math.abs(now - expected_ms) > tonumber(clock_tolerance_ms) then
  -- Somebody has set the store's clock (or this worker's steady clock stood still: then too nothing is certain).
  redis.call('HSET', deployment_key, 'even_since_ms', string.format('%.0f', now))
end
redis.call('HSET', pulses_key, worker, string.format('%.0f', now))
-- Stays when the workers have said goodbye: a copy of this store then still knows how old it is.
redis.call('HSET', deployment_key, 'pulse_ms', string.format('%.0f', now))
local known = redis.call('HEXISTS', workers_key, worker)
if known == 0 then redis.call('HDEL', pulses_key, worker) end
local lease_max, born, even_since, losses = unpack(redis.call('HMGET', deployment_key, 'lease_max_ms', 'born_ms', 'even_since_ms', 'losses'))
return {known, now, epoch, stamp, tonumber(lease_max or 0), tonumber(born or 0), tonumber(even_since or 0), losses or ''}
