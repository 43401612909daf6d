-- Revoke devices, sessions or a whole account: change the records, append to the stream, ring, note the event. Atomic.
-- INCLUDE append.lua epoch.lua rows.lua
-- KEYS account devices generations revocations number home receipt outbox repeat
-- ARGV prefix account revocation_id reply_to event_prefix reason before
-- REST pairs of words: kind (device | session | account | disable), id
-- RETURNS {'ok', revocation id, run_id, home_age_ms} or {'repeated' | 'unknown_device' | 'unknown_session', id}
local earlier = redis.call('GET', repeat_key)
if earlier then
  -- A write, so that replicas can confirm what was recorded before it.
  redis.call('PEXPIRE', repeat_key, 86400000)
  return {'repeated', earlier}
end

local first = 8
for i = first, #ARGV, 2 do
  local kind, id = ARGV[i], ARGV[i + 1]
  if kind == 'device' and redis.call('HGET', prefix .. 'device:' .. id, 'account') ~= account then
    return {'unknown_device', id}
  end
  if kind == 'session' and not is_sessions_owner(prefix, id, account) then
    return {'unknown_session', id}
  end
end

local at_ms = store_ms()
local run_id, _, since_ms = current_epoch(home_key, at_ms)
local entries, bells = 0, {}
for i = first, #ARGV, 2 do
  local kind, id = ARGV[i], ARGV[i + 1]
  local generation = 0
  local event, data = nil, {reason = reason, revocation = revocation_id}
  if kind == 'device' then
    local state, name, device_kind = unpack(redis.call('HMGET', prefix .. 'device:' .. id, 'state', 'name', 'kind'))
    -- A removed id is dead for good; the row stays until no token of it can verify any more (400 days). Nobody is shown
    -- it any more: what it was called and where it was is forgotten, which browser it is, and its sessions' rows.
    remove_device(prefix, id, at_ms)
    if state ~= 'removed' then event = 'device.removed' end
    data.device = id
    data.name = name or ''
    data.kind = device_kind or ''
  elseif kind == 'session' then
    if redis.call('HGET', prefix .. 'session:' .. id, 'state') == 'live' then event = 'session.ended' end
    end_session(prefix, id, reason)
    data.session = id
  else
    -- Given out by the partition, so that one figure can be above all of its accounts' (revoke_everybody.lua).
    generation = redis.call('HINCRBY', generations_key, 'last', 1)
    redis.call('HSET', account_key, 'generation', generation, 'not_before_ms', string.format('%.0f', at_ms))
    redis.call('PERSIST', account_key)
    event = 'account.signed_out'
    data.generation = generation
    if kind == 'disable' then
      redis.call('HSET', account_key, 'disabled', '1')
      event = 'account.disabled'
    end
  end
  -- Who has heard the last of them has heard them all: before that nobody acknowledges.
  local reply = i + 2 > #ARGV and reply_to or '-'
  local _, words = append_entry(revocations_key, number_key, at_ms, kind, id, generation, revocation_id, reply)
  entries = entries + 1
  bells[entries] = words
  -- What is done again tells nobody twice.
  if event then append_event(outbox_key, at_ms, event_prefix .. entries, event, account, data) end
end
redis.call('HSET', receipt_key, 'at_ms', string.format('%.0f', at_ms), 'account', account, 'entries', entries, 'run_id', run_id, 'bells', table.concat(bells, '\n'), 'before', before)
redis.call('PEXPIRE', receipt_key, 86400000)
redis.call('SET', repeat_key, revocation_id, 'PX', 86400000)
return {'ok', revocation_id, run_id, since_ms > 0 and math.max(at_ms - since_ms, 0) or -1}
