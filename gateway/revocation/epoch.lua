-- Included by scripts that must know whether this server is still the one that was known, for the deployment or for one
-- partition: a run id other than the stored one means a restart, a fail-over or a move, and the epoch rises. The first
-- epoch is the server's time, so that a store emptied since never has an epoch that its workers have seen; it has no
-- stamp, since nothing can have been lost before it.
-- Each later one notes which writes may be lost: from the loss window (5 s) before the newest pulse that this server has
-- heard of, however long nobody served since, or to a window after it, if this machine's clock is behind the former's.
-- The last 64 such spans are kept, of 27 characters and a space.
local function current_epoch(epoch_key, now, run_id)
  local function whole(x) return string.format('%.0f', x) end
  -- Asked unless the caller knows: 40 microseconds.
  run_id = run_id or string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local stored, epoch, stamp, losses, pulse = unpack(redis.call('HMGET', epoch_key, 'run_id', 'epoch', 'stamp_ms', 'losses', 'pulse_ms'))
  if not stored then
    epoch, stamp = now, '0'
    redis.call('HSET', epoch_key, 'run_id', run_id, 'epoch', whole(epoch), 'stamp_ms', stamp, 'born_ms', whole(now))
  elseif stored ~= run_id then
    -- Never one that somebody has seen, also where this is an older copy of the store.
    epoch, stamp = math.max(epoch + 1, now), whole(now)
    -- Workers trust clocks within 30 s of their own (fence.py), so two stores' clocks within a minute of each other.
    local heard = tonumber(pulse or now)
    if heard > now + 60000 then heard = now end
    losses = string.sub((losses or '') .. ' ' .. whole(heard - 5000) .. '-' .. whole(math.max(now, heard + 5000)), -1792)
    -- Another machine's clock, perhaps.
    redis.call('HSET', epoch_key, 'run_id', run_id, 'epoch', whole(epoch), 'stamp_ms', stamp, 'losses', losses, 'even_since_ms', stamp)
  end
  return run_id, tonumber(epoch), tonumber(stamp)
end
