-- Note the name of a trial, so that an erasure knows where to look. Atomic.
-- KEYS trials
-- ARGV trial most
-- RETURNS 'ok' | 'full'
if redis.call('SISMEMBER', trials_key, trial) == 1 then return 'ok' end
if redis.call('SCARD', trials_key) >= tonumber(most) then return 'full' end
redis.call('SADD', trials_key, trial)
return 'ok'
