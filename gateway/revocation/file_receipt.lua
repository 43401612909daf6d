-- File a receipt, unless a complete one is there: what somebody was told to be certain stays so.
-- KEYS receipt
-- ARGV verdict clock wait_ms keep_ms
-- RETURNS 1 if it was filed, else 0
local filed = redis.call('HGET', receipt_key, 'verdict')
if filed and cjson.decode(filed).status == 'complete' and cjson.decode(verdict).status ~= 'complete' then return 0 end
redis.call('HSET', receipt_key, 'verdict', verdict, 'clock', clock, 'wait_ms', wait_ms)
redis.call('PEXPIRE', receipt_key, keep_ms)
return 1
