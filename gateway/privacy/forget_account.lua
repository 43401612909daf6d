-- Forget an account whose rows are deleted. What refuses leases of before stays for a day, when none of them can run any
-- more; whoever signs in before keeps the row (start.lua).
-- KEYS account
-- ARGV ttl_ms
-- RETURNS 1
local generation, not_before = unpack(redis.call('HMGET', account_key, 'generation', 'not_before_ms'))
redis.call('DEL', account_key)
if generation then
  redis.call('HSET', account_key, 'generation', generation, 'not_before_ms', not_before or '0')
  redis.call('PEXPIRE', account_key, ttl_ms)
end
return 1
