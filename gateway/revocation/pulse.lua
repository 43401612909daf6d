-- One heartbeat: write the worker's pulse, and say who and when this server is. Writes, so that a read-only or isolated
-- server can never renew a fence. The registry is on one server of a Cluster; on the others the epoch stands in the
-- record of a partition.
-- INCLUDE epoch.lua
-- KEYS epoch workers pulses
-- ARGV worker holds_registry expected_ms clock_tolerance_ms known_watched_ms
-- RETURNS {row is there (1 | 0), now_ms, run_id, epoch, stamp_ms, lease_max_ms, registry_version, born_ms, even_since_ms, losses 'from-until …', watched_since_ms, ahead_until_ms}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local run_id, epoch, stamp = current_epoch(epoch_key, now)
if expected_ms ~= '0' and math.abs(now - expected_ms) > tonumber(clock_tolerance_ms) then
  -- Somebody has set the server's clock (or this worker's steady clock stood still: then too nothing is certain).
  redis.call('HSET', epoch_key, 'even_since_ms', string.format('%.0f', now))
end
-- Whether somebody has watched the clock all the while: this worker since its last pulse, or others until a moment ago.
-- Where nobody has, or it was set, nothing that rests on its time may look further back than to now.
local last, watched, ahead = unpack(redis.call('HMGET', epoch_key, 'pulse_ms', 'watched_since_ms', 'ahead_until_ms'))
local tolerance, off = tonumber(clock_tolerance_ms), expected_ms ~= '0' and now - expected_ms or nil
local since = last and now - last or nil
-- Each worker meets a step; the first of them notes it.
if off and watched ~= known_watched_ms then off = nil end
local is_even = since and since >= 0 and since <= tolerance
if off then is_even = math.abs(off) <= tolerance end
if not watched or not is_even then
  watched = string.format('%.0f', now)
  redis.call('HSET', epoch_key, 'watched_since_ms', watched)
  -- Put back: until it has come again to where it was, what it gave out then looks young.
  local was = off and -off > tolerance and tonumber(expected_ms) or (not off and since and -since > tolerance and tonumber(last)) or 0
  if was > tonumber(ahead or 0) then
    ahead = string.format('%.0f', was)
    redis.call('HSET', epoch_key, 'ahead_until_ms', ahead)
  end
end
-- Stays when the workers have said goodbye: a copy of this store then still knows how old it is.
redis.call('HSET', epoch_key, 'pulse_ms', string.format('%.0f', now))
local known = 1
if holds_registry == '1' then
  known = redis.call('HEXISTS', workers_key, worker)
  if known == 1 then redis.call('HSET', pulses_key, worker, string.format('%.0f', now)) end
end
local lease_max, version, born, even_since, losses = unpack(redis.call('HMGET', epoch_key, 'lease_max_ms', 'registry_version', 'born_ms', 'even_since_ms', 'losses'))
return {known, now, run_id, epoch, stamp, tonumber(lease_max or 0), tonumber(version or 0), tonumber(born or 0), tonumber(even_since or 0), losses or '', tonumber(watched), tonumber(ahead or 0)}
