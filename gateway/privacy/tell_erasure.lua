-- Let every node hear of an erasure: it stands under the time at which it was told, by the store's own clock, so that
-- whoever looks at what was told since the last look misses none. What was told longer ago than `keep_ms` goes.
-- KEYS erasures
-- ARGV told keep_ms
-- RETURNS the time, in milliseconds since the epoch
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', erasures_key, now_ms, told)
redis.call('ZREMRANGEBYSCORE', erasures_key, 0, now_ms - keep_ms)
return now_ms
