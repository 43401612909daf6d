-- Count a code among those that wait for their person, unless too many do. Atomic.
-- INCLUDE ../revocation/append.lua
-- KEYS waiting
-- ARGV code_hash life_ms most
-- RETURNS {'ok' | 'full', how many wait}
local now = store_ms()
redis.call('ZREMRANGEBYSCORE', waiting_key, '-inf', string.format('%.0f', now))
local count = redis.call('ZCARD', waiting_key)
if count >= tonumber(most) then return {'full', count} end
redis.call('ZADD', waiting_key, string.format('%.0f', now + tonumber(life_ms)), code_hash)
redis.call('PEXPIRE', waiting_key, life_ms)
return {'ok', count + 1}
