-- Take in lines of an import, each whole or not at all. What is there already stays: a device row only learns an earlier
-- first and a later last day, and a name if its owner gave it none. Tells no hook. Atomic.
-- INCLUDE ../revocation/rows.lua ../devices/keep.lua
-- KEYS generations
-- ARGV prefix kept_ms dry
-- REST one JSON object a line: the fields of lines.Row
-- RETURNS a word a line: 'imported' | 'already' | 'overtaken' | 'disabled' | 'device_removed' | 'other_account'
local now = redis.call('TIME')[1] * 1000
local function whole(x) return string.format('%.0f', x) end
local floor, floor_not_before = unpack(redis.call('HMGET', generations_key, 'floor', 'not_before_ms'))

local function admit_device(line)
  local row = prefix .. 'device:' .. line.device
  local owner, state, first, last, named = unpack(redis.call('HMGET', row, 'account', 'state', 'first_seen_ms', 'last_seen_ms', 'named_by_owner'))
  if owner and owner ~= line.account then return 'other_account' end
  if owner and state ~= 'active' then return 'device_removed' end
  if dry == '1' then return owner and 'already' or 'imported' end
  if not owner then
    redis.call('HSET', row, 'account', line.account, 'state', 'active', 'name', line.name, 'named_by_owner', line.named_by_owner,
      'kind', line.kind, 'model', line.model, 'os', line.os, 'client', line.client, 'place', line.place,
      'first_seen_ms', whole(line.first_ms), 'last_seen_ms', whole(line.last_ms), 'remembered', line.remembered)
    redis.call('SADD', prefix .. 'devices:' .. line.account, line.device)
    keep_for(row, longest_ms)
    keep_for(prefix .. 'devices:' .. line.account, longest_ms)
    redis.call('HSETNX', prefix .. 'account:' .. line.account, 'generation', 0)
    redis.call('HSETNX', prefix .. 'account:' .. line.account, 'created_at_ms', whole(now))
    return 'imported'
  end
  redis.call('HSET', row, 'first_seen_ms', whole(math.min(first, line.first_ms)), 'last_seen_ms', whole(math.max(last, line.last_ms)))
  if named ~= '1' and line.named_by_owner == '1' then redis.call('HSET', row, 'name', line.name, 'named_by_owner', '1') end
  if line.remembered == '1' then redis.call('HSET', row, 'remembered', '1') end
  return 'already'
end

local function admit_session(line)
  local row = prefix .. 'session:' .. line.session
  if redis.call('EXISTS', row) == 1 then
    return is_sessions_owner(prefix, line.session, line.account) and 'already' or 'other_account'
  end
  local disabled, not_before, generation = unpack(redis.call('HMGET', prefix .. 'account:' .. line.account, 'disabled', 'not_before_ms', 'generation'))
  if disabled == '1' then return 'disabled' end
  if line.authenticated_ms <= math.max(tonumber(not_before or 0), tonumber(floor_not_before or 0)) then return 'overtaken' end
  local device = admit_device(line)
  if device ~= 'imported' and device ~= 'already' then return device end
  if dry == '1' then return 'imported' end
  -- Counter 0: its first cookie is still to be handed out (sessions/start.lua), and no token of it can be renewed.
  redis.call('HSET', row, 'account', line.account, 'device', line.device, 'state', 'live', 'created_at_ms', whole(line.first_ms),
    'authenticated_at_ms', whole(line.authenticated_ms), 'method', line.method, 'n', 0, 'n_issued_at_ms', 0, 'n_used', 0, 'replays', 0,
    'generation', math.max(tonumber(generation or 0), tonumber(floor or 0)), 'fresh_until_ms', 0, 'remembered', line.remembered,
    'remember_until_ms', 0, 'absolute_ms', 0, 'run', '', 'renewed_at_ms', whole(line.last_ms))
  redis.call('PEXPIRE', row, kept_ms)
  redis.call('HSET', prefix .. 'device:' .. line.device, 's:' .. line.session, '1')
  return 'imported'
end

local outcomes = {}
for i = 4, #ARGV do
  local line = cjson.decode(ARGV[i])
  outcomes[#outcomes + 1] = line.session == '' and admit_device(line) or admit_session(line)
end
return outcomes
