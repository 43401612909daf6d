-- Whether this store was put back from a backup: somebody has seen it alive at a time of which it remembers nothing, by
-- more than a fail-over may lose, or its directory was copied since it ran last; and no operator has spoken since. Notes
-- the finding, so that every worker learns of it.
-- INCLUDE epoch.lua
-- KEYS deployment
-- ARGV seen_ms copied
-- RETURNS {restored_ms or 0, losses 'from-until …', dealt_with_ms or 0, what gave it away 'directory' | 'time' | ''}
local t = redis.call('TIME')
local _, _, stamp = current_epoch(deployment_key, t[1] * 1000 + math.floor(t[2] / 1000))
local losses, restored, by, dealt_with, moved = unpack(redis.call('HMGET', deployment_key, 'losses', 'restored_ms', 'restored_by', 'dealt_with_ms', 'moved_ms'))
seen_ms = tonumber(seen_ms)
local function found(at_ms, what)
  restored, by = string.format('%.0f', at_ms), what
  redis.call('HSET', deployment_key, 'restored_ms', restored, 'restored_by', by)
end
for from, to in string.gmatch(losses or '', '(%d+)%-(%d+)') do
  -- A span begins a loss window (5 s) before the store's last memory, and a fail-over loses no more than one.
  if (not restored or by == 'directory') and seen_ms > from + 10000 and seen_ms < tonumber(to) and seen_ms > tonumber(dealt_with or 0) then
    found(seen_ms, 'time')
  end
end
-- A store that was never started before has lost nothing. What the operator said since its last start was said of this copy.
if copied == '1' and not restored and stamp > math.max(tonumber(dealt_with or 0), tonumber(moved or 0)) then
  found(stamp, 'directory')
end
return {tonumber(restored or 0), losses or '', tonumber(dealt_with or 0), by or ''}
