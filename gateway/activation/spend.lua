-- Take an attempt from a budget, or give one back. A window begins with its first attempt. Atomic.
-- KEYS budget
-- ARGV by allowed window_ms
-- RETURNS {'ok', 0} or {'spent', milliseconds until the window is over}
local spent = tonumber(redis.call('GET', budget_key) or 0)
if by == '-1' then
  if spent > 0 then redis.call('DECR', budget_key) end
  return {'ok', 0}
end
if spent >= tonumber(allowed) then return {'spent', redis.call('PTTL', budget_key)} end
redis.call('INCR', budget_key)
if spent == 0 then redis.call('PEXPIRE', budget_key, window_ms) end
return {'ok', 0}
