-- Approve or refuse a grant that waits; repeating the same decision is as good as making it. Atomic.
-- INCLUDE ../revocation/append.lua
-- KEYS grant
-- ARGV decision account session authenticated_at_ms
-- RETURNS 'ok' | 'gone'
local state, owner, expires_at = unpack(redis.call('HMGET', grant_key, 'state', 'account', 'expires_at_ms'))
if not state or store_ms() >= tonumber(expires_at) then return 'gone' end
if state ~= 'pending' and (state ~= decision or owner ~= account) then return 'gone' end
redis.call('HSET', grant_key, 'state', decision, 'account', account, 'approved_by', session, 'authenticated_at_ms', authenticated_at_ms)
return 'ok'
