-- Bind an idempotency key to the act that came with it first.
-- KEYS bound
-- ARGV act
-- RETURNS 1 if it is bound to this act, 0 if to another
local first = redis.call('GET', bound_key)
if first and first ~= act then return 0 end
redis.call('SET', bound_key, act, 'PX', 86400000)
return 1
