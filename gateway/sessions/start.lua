-- Begin a session: check the account and its limits of sessions and devices, recognise or register the device, end the
-- browser's former session. Atomic.
-- With `vouched` it is one that the website's old cookie stood for, under an id made of it: handed out once, and again
-- only while its first answer may have been lost.
-- INCLUDE ../revocation/append.lua ../revocation/rows.lua ../devices/keep.lua
-- KEYS account devices browser new_device session sessions generations revocations number outbox
-- ARGV prefix account session_id new_device_id browser_id former_session remembered authenticated_at_ms method run ttl_ms session_idle_ms session_absolute_ms remember_idle_ms remember_absolute_ms lease_ms most_sessions when_full most_devices key_id label kind agent_kind model os client stated hardware place country provider event_prefix vouched given_device approved_by grace_ms bound_to
-- RETURNS {'ok', now_ms, device_id, is_new, generation, fresh_until_ms, name, run, browser_id, is_repeated} or {'disabled' | 'overtaken' | 'full' | 'devices_full' | 'stale' | 'future' | 'used' | 'device_removed' | 'over' | 'approver_gone', now_ms}
local now = store_ms()
local function whole(x) return string.format('%.0f', x) end
local auth_at = tonumber(authenticated_at_ms)
if auth_at > now + 30000 then return {'future', now} end
if vouched == '0' and auth_at < now - 300000 then return {'stale', now} end
local disabled, not_before, generation = unpack(redis.call('HMGET', account_key, 'disabled', 'not_before_ms', 'generation'))
if disabled == '1' then return {'disabled', now} end
local floor, floor_not_before = unpack(redis.call('HMGET', generations_key, 'floor', 'not_before_ms'))
-- A password changed after this sign-in was checked wins over it, whichever call arrives first.
if auth_at <= math.max(tonumber(not_before or 0), tonumber(floor_not_before or 0)) then return {'overtaken', now} end
local is_new_account = not generation
generation = math.max(tonumber(generation or 0), tonumber(floor or 0))
local fresh_until = math.min(now + lease_ms + session_idle_ms, auth_at + session_absolute_ms)
if vouched == '1' and remembered ~= '1' and fresh_until <= now then return {'over', now} end

local created_at, issued_at, is_repeated = now, now, false
if vouched == '1' then
  local owner, state, n, n_issued_at, came_back_at, since, made_in, row_device, row_run, row_key =
    unpack(redis.call('HMGET', session_key, 'account', 'state', 'n', 'n_issued_at_ms', 'renewed_at_ms', 'created_at_ms', 'generation', 'device', 'run', 'bound_to'))
  if state then
    if state ~= 'live' and redis.call('HGET', session_key, 'reason') == 'device_removed' then return {'device_removed', now} end
    if owner ~= account or state ~= 'live' or tonumber(made_in) < generation then return {'used', now} end
    if n ~= '0' then
      -- Once the cookie has come back (no lease is renewed in its first minutes), or after grace, its browser has it.
      local came_back = tonumber(came_back_at or 0) > tonumber(n_issued_at)
      -- A repeat is for whoever had the first answer: what that was bound to, this must be.
      if (row_key or '') ~= bound_to then return {'used', now} end
      if n ~= '1' or came_back or now - tonumber(n_issued_at) >= tonumber(grace_ms) then return {'used', now} end
      is_repeated, issued_at, run = true, tonumber(n_issued_at), row_run
    end
    created_at, given_device = tonumber(since), row_device
  elseif approved_by ~= '' then
    -- Or an intruder could keep a yes in store for the day he is put out.
    local approver, its_device = unpack(redis.call('HMGET', prefix .. 'session:' .. approved_by, 'state', 'device'))
    if approver ~= 'live' or redis.call('HGET', prefix .. 'device:' .. its_device, 'state') ~= 'active' then return {'approver_gone', now} end
  end
end

local former = prefix .. 'session:' .. former_session
local replaces = former_session ~= '' and redis.call('HGET', former, 'account') == account and redis.call('HGET', former, 'state') == 'live'
local function lives(id)
  local device, state, its_generation, fresh_until, remembered, remember_until, absolute =
    unpack(redis.call('HMGET', prefix .. 'session:' .. id, 'device', 'state', 'generation', 'fresh_until_ms', 'remembered', 'remember_until_ms', 'absolute_ms'))
  return state == 'live' and tonumber(its_generation) >= generation and now < tonumber(absolute)
    and (now < tonumber(fresh_until) or (remembered == '1' and now < tonumber(remember_until)))
    and redis.call('HGET', prefix .. 'device:' .. device, 'state') == 'active'
end
most_sessions = tonumber(most_sessions)
local surplus = {}
if most_sessions > 0 then
  local live = {}
  for _, id in ipairs(redis.call('ZRANGE', sessions_key, 0, -1)) do
    if id == session_id or (replaces and id == former_session) then
      -- Begun or ended below, whatever the limit says.
    elseif lives(id) then
      live[#live + 1] = id
    else
      redis.call('ZREM', sessions_key, id)
    end
  end
  if #live >= most_sessions and when_full == 'refuse' then return {'full', now} end
  for i = 1, #live - most_sessions + 1 do surplus[i] = live[i] end
end

local device_id, is_new = new_device_id, 1
local known = given_device ~= '' and given_device or redis.call('GET', browser_key)
local known_state = known and redis.call('HGET', prefix .. 'device:' .. known, 'state')
if known_state == 'active' then
  device_id, is_new = known, 0
elseif given_device ~= '' then
  if known_state then return {'device_removed', now} end
  device_id = given_device
end
-- A session that moves in brings a device that the website has had; one that was approved elsewhere is as new as any.
most_devices = tonumber(most_devices)
if is_new == 1 and most_devices > 0 and (vouched == '0' or approved_by ~= '') and not has_room(prefix, account, most_devices, now) then
  return {'devices_full', now}
end

if is_new_account then
  redis.call('HSET', account_key, 'generation', generation, 'created_at_ms', whole(now))
end
-- One that was erased a moment ago is a new one, and its row stays.
redis.call('PERSIST', account_key)

local row = prefix .. 'device:' .. device_id
if given_device ~= '' then browser_id = redis.call('HGET', row, 'browser') or browser_id end
if is_new == 1 then
  redis.call('HSET', row, 'account', account, 'state', 'active', 'name', label, 'named_by_owner', '0', 'place', '', 'first_seen_ms', whole(now))
  -- Lengthened below, with the session.
  redis.call('PEXPIRE', row, 60000)
  if redis.call('SADD', devices_key, device_id) == 1 and redis.call('SCARD', devices_key) == 1 then redis.call('PEXPIRE', devices_key, 60000) end
elseif redis.call('HGET', row, 'named_by_owner') ~= '1' then
  redis.call('HSET', row, 'name', label)
end
redis.call('HSET', row, 'browser', browser_id, 'kind', kind, 'model', model, 'os', os, 'client', client, 'remembered', remembered, 'last_seen_ms', whole(now), 'key', key_id)
note_place(row, place, now)
if stated == '1' or hardware ~= '' then redis.call('HSET', row, 'stated', stated, 'hardware', hardware) end
redis.call('SET', prefix .. 'browser:' .. account .. ':' .. browser_id, device_id, 'PX', 34560000000)

if replaces then
  end_session(prefix, former_session, 'replaced')
  append_entry(revocations_key, number_key, now, 'session', former_session, 0, '-', '-')
end
for _, id in ipairs(surplus_sessions(prefix, row, session_id)) do surplus[#surplus + 1] = id end
for i, id in ipairs(surplus) do
  if redis.call('HGET', prefix .. 'session:' .. id, 'state') == 'live' then
    end_session(prefix, id, 'session_limit')
    redis.call('ZREM', sessions_key, id)
    append_entry(revocations_key, number_key, now, 'session', id, 0, '-', '-')
    append_event(outbox_key, now, event_prefix .. '3.' .. i, 'session.ended', account, {session = id, reason = 'session_limit'})
  end
end

local remember_until = 0
local absolute = auth_at + session_absolute_ms
if remembered == '1' then
  absolute = now + remember_absolute_ms
  remember_until = math.min(now + remember_idle_ms, absolute)
end
redis.call('HSET', session_key, 'account', account, 'device', device_id, 'state', 'live', 'created_at_ms', whole(created_at),
  'authenticated_at_ms', authenticated_at_ms, 'method', method, 'n', 1, 'n_issued_at_ms', whole(issued_at), 'n_given_at_ms', whole(now), 'n_used', 0,
  'place', place, 'kind', agent_kind, 'generation', generation, 'fresh_until_ms', whole(fresh_until), 'remembered', remembered,
  'remember_until_ms', whole(remember_until), 'absolute_ms', whole(absolute), 'run', run, 'key', key_id, 'bound_to', bound_to)
redis.call('PEXPIRE', session_key, ttl_ms)
if most_sessions > 0 then
  redis.call('ZADD', sessions_key, whole(now), session_id)
  -- As long as the longest of them: one that is remembered is not forgotten for a short one that came later.
  if redis.call('PTTL', sessions_key) < tonumber(ttl_ms) then redis.call('PEXPIRE', sessions_key, ttl_ms) end
end
local good_until = math.max(fresh_until, remember_until) + lease_ms
note_session(prefix, account, device_id, session_id, good_until, now)
local name = redis.call('HGET', row, 'name')
if is_new == 1 then
  append_event(outbox_key, now, event_prefix .. '1', 'device.added', account, {device = device_id, name = name, kind = kind,
    model = model, os = os, client = client, network = place, country = country, provider = provider})
end
if not is_repeated then
  append_event(outbox_key, now, event_prefix .. '2', 'session.started', account, {session = session_id, device = device_id, remembered = remembered == '1'})
end
return {'ok', now, device_id, is_new, generation, fresh_until, name, run, browser_id, is_repeated and 1 or 0}
