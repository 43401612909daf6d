-- Revoke devices, sessions or a whole account: change the records, append to the stream, ring, note the event. Atomic.
-- INCLUDE append.lua epoch.lua
-- KEYS account devices generations revocations number home receipt outbox repeat
-- ARGV prefix account revocation_id reply_to event_prefix reason
-- REST pairs of words: kind (device | session | account | disable), id
-- RETURNS {'ok', revocation id, run_id, home_age_ms} or {'repeated' | 'unknown_device' | 'unknown_session', id}
local earlier = redis.call('GET', repeat_key)
if earlier then
  -- A write, so that replicas can confirm what was recorded before it.
  redis.call('PEXPIRE', repeat_key, 86400000)
  return {'repeated', earlier}
end

local first = 7
for i = first, #ARGV, 2 do
  local kind, id = ARGV[i], ARGV[i + 1]
  if kind == 'device' and redis.call('HGET', prefix .. 'device:' .. id, 'account') ~= account then
    return {'unknown_device', id}
  end
  if kind == 'session' and redis.call('HGET', prefix .. 'session:' .. id, 'account') ~= account then
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
    local row = prefix .. 'device:' .. id
    local name, device_kind, browser = unpack(redis.call('HMGET', row, 'name', 'kind', 'browser'))
    -- A removed id is dead for good; the row stays until no token of it can verify any more (400 days).
    redis.call('HSET', row, 'state', 'removed', 'removed_at_ms', string.format('%.0f', at_ms))
    -- Nobody is shown it any more: what it was called and where it was is forgotten, and which browser it is.
    redis.call('HDEL', row, 'name', 'named_by_owner', 'model', 'os', 'client', 'place', 'browser', 'hardware', 'stated', 'alike', 'first_seen_ms', 'last_seen_ms')
    for _, field in ipairs(redis.call('HKEYS', row)) do
      if string.sub(field, 1, 3) == 'fp:' then redis.call('HDEL', row, field) end
    end
    redis.call('PEXPIRE', row, 34560000000)
    redis.call('SREM', devices_key, id)
    if browser then redis.call('DEL', prefix .. 'browser:' .. account .. ':' .. browser) end
    event = 'device.removed'
    data.device = id
    data.name = name or ''
    data.kind = device_kind or ''
  elseif kind == 'session' then
    redis.call('HSET', prefix .. 'session:' .. id, 'state', 'ended', 'reason', reason)
    event = 'session.ended'
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
  append_event(outbox_key, at_ms, event_prefix .. entries, event, account, data)
end
redis.call('HSET', receipt_key, 'at_ms', string.format('%.0f', at_ms), 'account', account, 'entries', entries, 'run_id', run_id, 'bells', table.concat(bells, '\n'))
redis.call('PEXPIRE', receipt_key, 86400000)
redis.call('SET', repeat_key, revocation_id, 'PX', 86400000)
return {'ok', revocation_id, run_id, since_ms > 0 and at_ms - since_ms or -1}
