-- Redeem token n of a session: renew its lease, advance the counter, or find reuse. Atomic. Every call writes, so an
-- isolated former primary that lost its right to write cannot say yes.
-- INCLUDE ../revocation/append.lua ../revocation/rows.lua ../devices/keep.lua
-- KEYS session account device generations revocations number outbox
-- ARGV prefix session_id presented issued_at_ms generation may_advance extend expected_ms may_accuse place kind lease_ms session_idle_ms session_absolute_ms remember_idle_ms rotate_every_ms grace_ms used_after_ms clock_tolerance_ms even_since_ms losses key_id event_id bound_to
-- RETURNS {'ok', now_ms, n, fresh_until_ms, note} or {'unknown' | 'ended' | 'device_removed' | 'signed_out' | 'disabled' | 'over' | 'reuse' | 'unsure' | 'other_key', now_ms}
local now = store_ms()
local function whole(x) return string.format('%.0f', x) end
local account, device, state, n, n_issued_at, n_given_at, n_used, authenticated_at, fresh_until, remembered, remember_until, absolute, row_key =
  unpack(redis.call('HMGET', session_key, 'account', 'device', 'state', 'n', 'n_issued_at_ms', 'n_given_at_ms', 'n_used', 'authenticated_at_ms',
    'fresh_until_ms', 'remembered', 'remember_until_ms', 'absolute_ms', 'bound_to'))
-- A row that was given back after a loss knows of its session only that it has ended.
if not state then return {'unknown', now} end
if state ~= 'live' then
  return {redis.call('HGET', session_key, 'reason') == 'device_removed' and 'device_removed' or 'ended', now}
end
if redis.call('HGET', device_key, 'state') ~= 'active' then return {'device_removed', now} end
local disabled, account_generation = unpack(redis.call('HMGET', account_key, 'disabled', 'generation'))
if disabled == '1' then return {'disabled', now} end
local floor = redis.call('HGET', generations_key, 'floor')
if tonumber(generation) < math.max(tonumber(account_generation or 0), tonumber(floor or 0)) then return {'signed_out', now} end

-- Once a family has proved a key, a token of it that carries none is good for that key alone, whoever holds a copy.
row_key = row_key or ''
if row_key ~= '' and row_key ~= bound_to then return {'other_key', now} end

n, presented, issued_at_ms = tonumber(n), tonumber(presented), tonumber(issued_at_ms)
fresh_until, remember_until, absolute = tonumber(fresh_until), tonumber(remember_until), tonumber(absolute)
local is_fresh = now < fresh_until
if now >= absolute or (not is_fresh and (remembered ~= '1' or now >= remember_until)) then
  end_session(prefix, session_id, 'over')
  return {'over', now}
end

-- Only a worker whose fence holds knows what time it is here: 0 where it does not. Others decide nothing about theft.
local sure = math.abs(now - tonumber(expected_ms)) <= tonumber(clock_tolerance_ms)
-- The span of whose writes fail-overs may have lost that holds this instant: when it began, or nil.
local function lost_since(at)
  for from, to in string.gmatch(losses, '(%d+)%-(%d+)') do
    if at >= tonumber(from) and at <= tonumber(to) then return tonumber(from) end
  end
end
-- Every few days a page of many requests, a lost answer: seen twice in a day, or from elsewhere, it is worth a word.
local function note_replay()
  local former, seen_place, seen_kind, told_at = unpack(redis.call('HMGET', session_key, 'replayed_at_ms', 'place', 'kind', 'suspect_at_ms'))
  redis.call('HSET', session_key, 'replayed_at_ms', whole(now))
  local note = 'replayed'
  if former and now - former < 86400000 then
    redis.call('HSET', session_key, 'flagged_at_ms', whole(now))
    note = 'replayed_again'
  end
  local elsewhere = place ~= '' and (seen_place or '') ~= '' and place ~= seen_place
  if elsewhere and kind ~= '' and (seen_kind or '') ~= '' and kind ~= seen_kind then
    note = 'suspect'
    if not told_at or now - told_at >= 86400000 then
      redis.call('HSET', session_key, 'suspect_at_ms', whole(now))
      append_event(outbox_key, now, event_id, 'credential.suspect', account, {session = session_id, device = device,
        place = place, kind = kind, usual_place = seen_place, usual_kind = seen_kind})
    end
  end
  return note
end
-- Five events in the day that begins with the first: old disk images of one account make no flood.
local function may_tell_account()
  local since, told = unpack(redis.call('HMGET', account_key, 'reuse_told_since_ms', 'reuse_told'))
  if not since or now - since >= 86400000 then
    since, told = whole(now), 0
  end
  redis.call('HSET', account_key, 'reuse_told_since_ms', since, 'reuse_told', tonumber(told) + 1)
  return tonumber(told) < 5
end

local note = 'renewed'
local lost = presented > n and lost_since(issued_at_ms)
if presented == n then
  -- Handed out last at g: by g + grace whatever carries n - 1 has arrived, by one more grace whatever was asked for until
  -- then. Who brings n later than that has kept it, and can never come back with n - 1 (docs/rotation.md).
  local handed_out = math.max(tonumber(n_given_at or n_issued_at), tonumber(even_since_ms))
  if n_used == '0' and sure and now - handed_out >= 2 * grace_ms + used_after_ms then
    redis.call('HSET', session_key, 'n_used', 1)
    n_used = '1'
  end
  if may_advance == '1' and n_used == '1' and now - n_issued_at >= tonumber(rotate_every_ms) then
    n = n + 1
    redis.call('HSET', session_key, 'n', n, 'n_issued_at_ms', whole(now), 'n_given_at_ms', whole(now), 'n_used', 0)
    note = 'advanced'
  end
  if place ~= '' then redis.call('HSET', session_key, 'place', place) end
  if kind ~= '' then redis.call('HSET', session_key, 'kind', kind) end
elseif presented == n - 1 and n_used == '0' then
  -- The answer that carried n was late or lost: the same n again, and nobody is a thief.
  redis.call('HSET', session_key, 'n_given_at_ms', whole(now))
  note = note_replay()
elseif lost then
  -- The signature proves that this store once issued it: a fail-over lost the last writes.
  n = presented
  redis.call('HSET', session_key, 'n', n, 'n_issued_at_ms', whole(lost), 'n_given_at_ms', whole(now), 'n_used', 0)
  note = 'store_rollback'
elseif may_accuse == '0' or not sure then
  -- The store may have come back without its last writes, or its clock was set, and the worker has not heard of it:
  -- nobody is accused before it has.
  return {'unsure', now}
else
  end_session(prefix, session_id, 'reuse')
  redis.call('HSET', device_key, 'reuse_at_ms', whole(now))
  append_entry(revocations_key, number_key, now, 'session', session_id, 0, '-', '-')
  if may_tell_account() then
    append_event(outbox_key, now, event_id, 'credential.reuse', account, {session = session_id, device = device, presented = presented, current = n})
  end
  return {'reuse', now}
end

if row_key ~= bound_to then redis.call('HSET', session_key, 'bound_to', bound_to) end
if extend == '1' then
  if is_fresh then
    fresh_until = math.min(now + lease_ms + session_idle_ms, authenticated_at + session_absolute_ms)
  end
  if remembered == '1' then
    remember_until = math.min(now + remember_idle_ms, absolute)
  end
  note_session(prefix, account, device, session_id, math.max(fresh_until, remember_until) + lease_ms, now)
  note_place(device_key, place, now)
end
redis.call('HSET', session_key, 'fresh_until_ms', whole(fresh_until), 'remember_until_ms', whole(remember_until), 'renewed_at_ms', whole(now), 'key', key_id)
return {'ok', now, n, fresh_until, note}
