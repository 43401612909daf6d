-- Enter a worker in the registry, before it loads what is revoked.
-- KEYS deployment workers pulses
-- ARGV worker row lease_ms
-- RETURNS now_ms
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call('HGET', workers_key, worker) ~= row then
  redis.call('HSET', workers_key, worker, row)
  -- Rides on every pulse: whoever has read the registry of this version need not read it again.
  redis.call('HINCRBY', deployment_key, 'registry_version', 1)
end
redis.call('HSET', pulses_key, worker, string.format('%.0f', now))
-- One figure for the whole deployment, and it only grows: somebody's leases may live that long.
if tonumber(lease_ms) > tonumber(redis.call('HGET', deployment_key, 'lease_max_ms') or 0) then
  redis.call('HSET', deployment_key, 'lease_max_ms', lease_ms)
end
return now
