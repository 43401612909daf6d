-- Keep a new grant under the hash of its device code, and let its user code find it. Atomic.
-- The row outlives the codes, so that a device hears that they have expired.
-- INCLUDE ../revocation/append.lua
-- KEYS grant user_code
-- ARGV code_hash client session device agent network country provider brand model hardware life_ms
-- RETURNS {'ok' | 'taken', now_ms}
local now = store_ms()
if not redis.call('SET', user_code_key, code_hash, 'NX', 'PX', life_ms) then return {'taken', now} end
redis.call('HSET', grant_key, 'state', 'pending', 'client', client, 'session', session, 'device', device, 'agent', agent,
  'network', network, 'country', country, 'provider', provider, 'brand', brand, 'model', model, 'hardware', hardware, 'interval_ms', 5000,
  'offered_at_ms', string.format('%.0f', now), 'expires_at_ms', string.format('%.0f', now + tonumber(life_ms)))
redis.call('PEXPIRE', grant_key, 2 * life_ms)
return {'ok', now}
