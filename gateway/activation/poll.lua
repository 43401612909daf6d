-- What a device that asks for its tokens is told (RFC 8628 section 3.5). Atomic.
-- Who polls too early waits longer from then on, measured from the last poll that was not too early: measured from every
-- poll, a client of a fixed cadence would never be in time again. Whatever is decided is told at once, however early.
-- INCLUDE ../revocation/append.lua
-- KEYS grant
-- ARGV client tolerance_ms longest_interval_ms
-- RETURNS {'pending' | 'slow_down' | 'expired' | 'refused' | 'unknown'} or {'approved', account, authenticated_at_ms, approved_by, session, device, agent, brand, model, hardware}
local now = store_ms()
local state, owner, interval, polled_at, expires_at, account, authenticated_at, approved_by, session, device, agent, brand, model, hardware = unpack(redis.call('HMGET', grant_key,
  'state', 'client', 'interval_ms', 'polled_at_ms', 'expires_at_ms', 'account', 'authenticated_at_ms', 'approved_by', 'session', 'device', 'agent', 'brand', 'model', 'hardware'))
if not state or owner ~= client then return {'unknown'} end
if state == 'approved' then return {'approved', account, authenticated_at, approved_by, session, device, agent, brand or '', model or '', hardware or ''} end
if state == 'refused' then return {'refused'} end
if now >= tonumber(expires_at) then return {'expired'} end
if polled_at and now - tonumber(polled_at) < tonumber(interval) - tonumber(tolerance_ms) then
  redis.call('HSET', grant_key, 'interval_ms', math.min(tonumber(interval) + 5000, tonumber(longest_interval_ms)))
  return {'slow_down'}
end
redis.call('HSET', grant_key, 'polled_at_ms', string.format('%.0f', now))
return {'pending'}
