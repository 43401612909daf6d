-- Included by scripts that must know whether this store is still the one that was known: a run id other than the stored
-- one means a restart or a fail-over, and the epoch rises. The first epoch is the store's time, so that a store emptied
-- since never has an epoch that its workers have seen; it has no stamp, since nothing can have been lost before it.
local function current_epoch(deployment_key, now)
  local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local stored, epoch, stamp = unpack(redis.call('HMGET', deployment_key, 'run_id', 'epoch', 'stamp_ms'))
  if stored ~= run_id then
    epoch = stored and redis.call('HINCRBY', deployment_key, 'epoch', 1) or now
    stamp = stored and string.format('%.0f', now) or '0'
    redis.call('HSET', deployment_key, 'run_id', run_id, 'epoch', string.format('%.0f', epoch), 'stamp_ms', stamp)
  end
  return run_id, tonumber(epoch), tonumber(stamp)
end
