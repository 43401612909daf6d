-- Strike a worker from the registry: its goodbye, its supervisor's word that it is dead, or a revoker whose patience
-- is over. With a pulse given, only if it has not pulsed since.
-- KEYS deployment workers pulses
-- ARGV worker pulse_ms
-- RETURNS 1 if it was struck, else 0
if pulse_ms ~= '' and redis.call('HGET', pulses_key, worker) ~= pulse_ms then return 0 end
redis.call('HDEL', pulses_key, worker)
local struck = redis.call('HDEL', workers_key, worker)
if struck == 1 then redis.call('HINCRBY', deployment_key, 'registry_version', 1) end
return struck
