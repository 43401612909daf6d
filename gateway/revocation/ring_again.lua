-- Ring once more for what a revocation has appended: every worker that has applied it says so again, to who asks now.
-- Appends nothing. Writes, so that replicas can confirm it together with the revocation before.
-- INCLUDE epoch.lua
-- KEYS receipt revocations home
-- ARGV reply_to
-- RETURNS {bells rung, run_id, home_age_ms}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local run_id, _, since_ms = current_epoch(home_key, now)
local bells = redis.call('HGET', receipt_key, 'bells')
local rung = 0
if bells then
  local entries = {}
  for entry in string.gmatch(bells, '[^\n]+') do entries[#entries + 1] = entry end
  for i, entry in ipairs(entries) do
    redis.call('SPUBLISH', revocations_key, entry .. ' ' .. (i == #entries and reply_to or '-'))
    rung = rung + 1
  end
  redis.call('HSET', receipt_key, 'read_at_ms', string.format('%.0f', now))
end
return {rung, run_id, since_ms > 0 and math.max(now - since_ms, 0) or -1}
