-- Whether this store was put back from a backup: somebody has seen it alive at a time of which it remembers nothing, by
-- more than a fail-over may lose, and no operator has spoken since. Notes the finding, so that every worker learns of it.
-- INCLUDE epoch.lua
-- KEYS deployment
-- ARGV seen_ms
-- RETURNS {restored_ms or 0, losses 'from-until …', dealt_with_ms or 0}
local t = redis.call('TIME')
current_epoch(deployment_key, t[1] * 1000 + math.floor(t[2] / 1000))
local losses, restored, dealt_with = unpack(redis.call('HMGET', deployment_key, 'losses', 'restored_ms', 'dealt_with_ms'))
seen_ms = tonumber(seen_ms)
for from, to in string.gmatch(losses or '', '(%d+)%-(%d+)') do
  -- A span begins a loss window (5 s) before the store's last memory, and a fail-over loses no more than one.
  if not restored and seen_ms > from + 10000 and seen_ms < tonumber(to) and seen_ms > tonumber(dealt_with or 0) then
    restored = string.format('%.0f', seen_ms)
    redis.call('HSET', deployment_key, 'restored_ms', restored)
  end
end
return {tonumber(restored or 0), losses or '', tonumber(dealt_with or 0)}
