-- Redeem token n of a session: renew its lease, advance the counter, or find reuse. Atomic. Every call writes, so an
-- isolated former primary that lost its right to write cannot say yes.
-- INCLUDE ../revocation/append.lua
-- KEYS session account device generations revocations number outbox
-- ARGV prefix session_id presented issued_at_ms generation may_advance extend fenced may_accuse lease_ms session_idle_ms session_absolute_ms remember_idle_ms rotate_every_ms grace_ms used_after_ms loss_window_ms epoch_stamp_ms event_id
-- RETURNS {'ok', now_ms, n, fresh_until_ms, note} or {'unknown' | 'ended' | 'device_removed' | 'signed_out' | 'disabled' | 'over' | 'reuse' | 'ahead', now_ms}
local now = store_ms()
local function whole(x) return string.format('%.0f', x) end
local account, device, state, n, n_issued_at, n_used, authenticated_at, fresh_until, remembered, remember_until, absolute, replays =
  unpack(redis.call('HMGET', session_key, 'account', 'device', 'state', 'n', 'n_issued_at_ms', 'n_used', 'authenticated_at_ms',
    'fresh_until_ms', 'remembered', 'remember_until_ms', 'absolute_ms', 'replays'))
if not account then return {'unknown', now} end
if state ~= 'live' then return {'ended', now} end
if redis.call('HGET', device_key, 'state') ~= 'active' then return {'device_removed', now} end
local disabled, account_generation = unpack(redis.call('HMGET', account_key, 'disabled', 'generation'))
if disabled == '1' then return {'disabled', now} end
local floor = redis.call('HGET', generations_key, 'floor')
if tonumber(generation) < math.max(tonumber(account_generation or 0), tonumber(floor or 0)) then return {'signed_out', now} end

n, presented = tonumber(n), tonumber(presented)
n_issued_at = tonumber(n_issued_at)
fresh_until, remember_until, absolute = tonumber(fresh_until), tonumber(remember_until), tonumber(absolute)
local is_fresh = now < fresh_until
if now >= absolute or (not is_fresh and (remembered ~= '1' or now >= remember_until)) then
  redis.call('HSET', session_key, 'state', 'ended', 'reason', 'over')
  return {'over', now}
end

local note = ''
if presented == n then
  -- A browser takes a while to write its cookies down; only a token that came back later than that is surely kept.
  if n_used == '0' and fenced == '0' and now - n_issued_at >= tonumber(used_after_ms) then
    redis.call('HSET', session_key, 'n_used', 1)
    n_used = '1'
  end
  if may_advance == '1' and now - n_issued_at >= tonumber(rotate_every_ms) then
    n = n + 1
    redis.call('HSET', session_key, 'n', n, 'n_issued_at_ms', whole(now), 'n_used', 0, 'replays', 0)
    note = 'advanced'
  end
elseif presented == n - 1 and (n_used == '0' or now - n_issued_at < tonumber(grace_ms)) then
  -- The answer that carried n was late or lost: the same n again, and nobody is a thief.
  replays = redis.call('HINCRBY', session_key, 'replays', 1)
  note = replays > 1 and 'replayed_again' or 'replayed'
elseif presented > n and tonumber(epoch_stamp_ms) > 0 and tonumber(issued_at_ms) <= tonumber(epoch_stamp_ms)
  and tonumber(issued_at_ms) >= tonumber(epoch_stamp_ms) - tonumber(loss_window_ms) then
  -- The signature proves that this store once issued it: a fail-over lost the last writes.
  n = presented
  redis.call('HSET', session_key, 'n', n, 'n_issued_at_ms', issued_at_ms, 'n_used', 0)
  note = 'store_rollback'
elseif presented > n and may_accuse == '0' then
  -- This store has come back without its last writes and the worker has not heard of the new epoch: nobody is accused
  -- before it has.
  return {'ahead', now}
else
  redis.call('HSET', session_key, 'state', 'ended', 'reason', 'reuse')
  redis.call('HSET', device_key, 'reuse_at_ms', whole(now))
  append_entry(revocations_key, number_key, now, 'session', session_id, 0, '-', '-')
  append_event(outbox_key, now, event_id, 'credential.reuse', account, {session = session_id, device = device, presented = presented, current = n})
  return {'reuse', now}
end

if extend == '1' then
  if is_fresh then
    fresh_until = math.min(now + lease_ms + session_idle_ms, authenticated_at + session_absolute_ms)
  end
  if remembered == '1' then
    remember_until = math.min(now + remember_idle_ms, absolute)
  end
  redis.call('HSET', device_key, 'last_seen_ms', whole(now))
end
redis.call('HSET', session_key, 'fresh_until_ms', whole(fresh_until), 'remember_until_ms', whole(remember_until), 'renewed_at_ms', whole(now))
return {'ok', now, n, fresh_until, note}
