-- One heartbeat: write the worker's pulse, and say who and when this store is. Writes, so that a read-only or isolated
-- server can never renew a fence. A run id other than the stored one means a restart or a fail-over: the epoch rises.
-- The first epoch is the store's time, so that a store emptied since never has an epoch that its workers have seen.
-- KEYS deployment workers pulses
-- ARGV worker
-- RETURNS {row is there (1 | 0), now_ms, run_id, epoch, stamp_ms, lease_max_ms}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', pulses_key, worker, string.format('%.0f', now))
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local stored, epoch, stamp, lease_max = unpack(redis.call('HMGET', deployment_key, 'run_id', 'epoch', 'stamp_ms', 'lease_max_ms'))
if stored ~= run_id then
  epoch = stored and redis.call('HINCRBY', deployment_key, 'epoch', 1) or now
  -- The very first epoch has no stamp: nothing can have been lost before it.
  stamp = stored and string.format('%.0f', now) or '0'
  redis.call('HSET', deployment_key, 'run_id', run_id, 'epoch', string.format('%.0f', epoch), 'stamp_ms', stamp)
end
local known = redis.call('HEXISTS', workers_key, worker)
if known == 0 then redis.call('HDEL', pulses_key, worker) end
return {known, now, run_id, tonumber(epoch), tonumber(stamp), tonumber(lease_max or 0)}
