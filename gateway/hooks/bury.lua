-- Keep an event that a hook's receiver never took, for as long as such events are kept. Atomic.
-- INCLUDE ../revocation/append.lua
-- KEYS dead
-- ARGV event type account at_ms body reason most kept_ms
-- RETURNS how many are kept
local now = store_ms()
redis.call('XADD', dead_key, 'MAXLEN', '~', most, '*', 'event', event, 'type', type, 'account', account, 'at_ms', at_ms,
  'body', body, 'reason', reason, 'given_up_at_ms', string.format('%.0f', now))
redis.call('XTRIM', dead_key, 'MINID', '~', string.format('%.0f', now - tonumber(kept_ms)))
redis.call('PEXPIRE', dead_key, kept_ms)
return redis.call('XLEN', dead_key)
