-- Let an account claim a trial once more, whatever its identifiers say. Atomic; repeated, the last word stands.
-- INCLUDE ../revocation/append.lua
-- INCLUDE marks.lua
-- KEYS key_ids permit
-- ARGV key_id by reason life_ms
-- RETURNS until_ms
local now = store_ms()
redis.call('HSET', permit_key, 'key_id', key_id, 'by', by, 'reason', reason, 'at_ms', string.format('%.0f', now))
redis.call('PEXPIRE', permit_key, life_ms)
redis.call('ZADD', key_ids_key, 'GT', string.format('%.0f', now + tonumber(life_ms)), key_id)
redis.call('PEXPIRE', key_ids_key, math.max(tonumber(life_ms), redis.call('PTTL', key_ids_key)))
return now + tonumber(life_ms)
