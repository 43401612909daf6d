-- Approve or refuse a grant that waits; repeating the same decision is as good as making it. Atomic.
-- "held" decides nothing yet: for a minute nobody but this account may, and the codes do not expire. So what the account
-- gives up for the device is given up for a grant that can still be approved.
-- INCLUDE ../revocation/append.lua
-- KEYS grant
-- ARGV decision account session authenticated_at_ms
-- RETURNS 'ok' | 'gone'
local now, hold_ms = store_ms(), 60000
local state, owner, expires_at, held_until = unpack(redis.call('HMGET', grant_key, 'state', 'account', 'expires_at_ms', 'held_until_ms'))
if not state or now >= tonumber(expires_at) then return 'gone' end
if state ~= 'pending' and (owner ~= account or state ~= (decision == 'held' and 'approved' or decision)) then return 'gone' end
if state == 'pending' and now < tonumber(held_until or 0) and owner ~= account then return 'gone' end
if decision == 'held' then
  if state == 'pending' then
    local held = string.format('%.0f', now + hold_ms)
    redis.call('HSET', grant_key, 'account', account, 'held_until_ms', held)
    if tonumber(expires_at) < now + hold_ms then redis.call('HSET', grant_key, 'expires_at_ms', held) end
    if redis.call('PTTL', grant_key) < 2 * hold_ms then redis.call('PEXPIRE', grant_key, 2 * hold_ms) end
  end
  return 'ok'
end
redis.call('HSET', grant_key, 'state', decision, 'account', account, 'approved_by', session, 'authenticated_at_ms', authenticated_at_ms)
return 'ok'
