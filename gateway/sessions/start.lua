-- Begin a session: check the account, recognise or register the device, end the browser's former session. Atomic.
-- INCLUDE ../revocation/append.lua
-- KEYS account devices browser new_device session generations revocations number outbox
-- ARGV prefix account session_id new_device_id browser_id former_session remembered authenticated_at_ms method run ttl_ms session_idle_ms session_absolute_ms remember_idle_ms remember_absolute_ms lease_ms label kind model os client place event_prefix
-- RETURNS {'ok', now_ms, device_id, is_new, generation, fresh_until_ms, name} or {'disabled' | 'overtaken' | 'stale' | 'future', now_ms}
local now = store_ms()
local function whole(x) return string.format('%.0f', x) end
local auth_at = tonumber(authenticated_at_ms)
if auth_at > now + 30000 then return {'future', now} end
if auth_at < now - 300000 then return {'stale', now} end
local disabled, not_before, generation = unpack(redis.call('HMGET', account_key, 'disabled', 'not_before_ms', 'generation'))
if disabled == '1' then return {'disabled', now} end
local floor, floor_not_before = unpack(redis.call('HMGET', generations_key, 'floor', 'not_before_ms'))
-- A password changed after this sign-in was checked wins over it, whichever call arrives first.
if auth_at <= math.max(tonumber(not_before or 0), tonumber(floor_not_before or 0)) then return {'overtaken', now} end
if not generation then
  generation = 0
  redis.call('HSET', account_key, 'generation', 0, 'created_at_ms', whole(now))
end
generation = math.max(tonumber(generation), tonumber(floor or 0))

local device_id, is_new = new_device_id, 1
local known = redis.call('GET', browser_key)
if known and redis.call('HGET', prefix .. 'device:' .. known, 'state') == 'active' then
  device_id, is_new = known, 0
end
local row = prefix .. 'device:' .. device_id
if is_new == 1 then
  redis.call('HSET', row, 'account', account, 'browser', browser_id, 'state', 'active', 'name', label, 'named_by_owner', '0', 'first_seen_ms', whole(now))
  redis.call('SADD', devices_key, device_id)
elseif redis.call('HGET', row, 'named_by_owner') ~= '1' then
  redis.call('HSET', row, 'name', label)
end
redis.call('HSET', row, 'kind', kind, 'model', model, 'os', os, 'client', client, 'place', place, 'remembered', remembered, 'last_seen_ms', whole(now))
redis.call('SET', browser_key, device_id, 'PX', 34560000000)

if former_session ~= '' then
  local former = prefix .. 'session:' .. former_session
  if redis.call('HGET', former, 'account') == account and redis.call('HGET', former, 'state') == 'live' then
    redis.call('HSET', former, 'state', 'ended', 'reason', 'replaced')
    append_entry(revocations_key, number_key, now, 'session', former_session, 0, '-', '-')
  end
end

local fresh_until = math.min(now + lease_ms + session_idle_ms, auth_at + session_absolute_ms)
local remember_until = 0
local absolute = auth_at + session_absolute_ms
if remembered == '1' then
  absolute = now + remember_absolute_ms
  remember_until = math.min(now + remember_idle_ms, absolute)
end
redis.call('HSET', session_key, 'account', account, 'device', device_id, 'state', 'live', 'created_at_ms', whole(now),
  'authenticated_at_ms', authenticated_at_ms, 'method', method, 'n', 1, 'n_issued_at_ms', whole(now), 'n_used', 0, 'replays', 0,
  'generation', generation, 'fresh_until_ms', whole(fresh_until), 'remembered', remembered,
  'remember_until_ms', whole(remember_until), 'absolute_ms', whole(absolute), 'run', run)
redis.call('PEXPIRE', session_key, ttl_ms)
local name = redis.call('HGET', row, 'name')
if is_new == 1 then
  append_event(outbox_key, now, event_prefix .. '1', 'device.added', account, {device = device_id, name = name, kind = kind})
end
append_event(outbox_key, now, event_prefix .. '2', 'session.started', account, {session = session_id, device = device_id, remembered = remembered == '1'})
return {'ok', now, device_id, is_new, generation, fresh_until, name}
