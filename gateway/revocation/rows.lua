-- Included by scripts that end sessions and remove devices: what is left of a row is a tombstone, and nothing personal.
-- The owner of an ended session is kept as a hash that differs for each session: it says yes to whoever names the account.
local function owner_tag(id, account) return string.sub(redis.sha1hex(id .. ' ' .. account), 1, 16) end
local function forget_rest(row, kept)
  for _, field in ipairs(redis.call('HKEYS', row)) do
    if not kept[field] then redis.call('HDEL', row, field) end
  end
end
local function is_sessions_owner(prefix, id, account)
  local found = redis.pcall('HMGET', prefix .. 'session:' .. id, 'account', 'owner')
  if found.err then return false end
  local owner, tag = found[1], found[2]
  return owner == account or (tag and tag == owner_tag(id, account))
end
local function end_session(prefix, id, reason)
  local row = prefix .. 'session:' .. id
  local account, device = unpack(redis.call('HMGET', row, 'account', 'device'))
  if account then
    redis.call('HSET', row, 'owner', owner_tag(id, account))
    redis.call('ZREM', prefix .. 'sessions:' .. account, id)
  end
  redis.call('HSET', row, 'state', 'ended', 'reason', reason)
  if redis.call('PTTL', row) < 0 then redis.call('PEXPIRE', row, 34560000000) end
  forget_rest(row, {state = true, reason = true, owner = true})
  if device then redis.call('HDEL', prefix .. 'device:' .. device, 's:' .. id) end
end
local function remove_device(prefix, id, at_ms)
  local row = prefix .. 'device:' .. id
  local account, browser = unpack(redis.call('HMGET', row, 'account', 'browser'))
  for _, field in ipairs(redis.call('HKEYS', row)) do
    if string.sub(field, 1, 2) == 's:' then end_session(prefix, string.sub(field, 3), 'device_removed') end
  end
  redis.call('HSET', row, 'state', 'removed', 'removed_at_ms', string.format('%.0f', at_ms))
  redis.call('PEXPIRE', row, 34560000000)
  forget_rest(row, {state = true, removed_at_ms = true, account = true, kind = true})
  if account then redis.call('SREM', prefix .. 'devices:' .. account, id) end
  if account and browser then redis.call('DEL', prefix .. 'browser:' .. account .. ':' .. browser) end
end
