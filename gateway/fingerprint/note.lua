-- Keep what a device gives away in its row, and which former ones it looks like; nothing where the row is gone or another
-- account's. Atomic.
-- INCLUDE ../revocation/append.lua
-- KEYS device outbox
-- ARGV account device_id alike event_id looks_like verdict reason
-- REST pairs of a field and its value
-- RETURNS 1, or 0 where there is no such device
local owner, state, first_seen = unpack(redis.call('HMGET', device_key, 'account', 'state', 'first_seen_ms'))
if owner ~= account or state ~= 'active' then return 0 end
for i = 8, #ARGV, 2 do redis.call('HSET', device_key, ARGV[i], ARGV[i + 1]) end
if alike ~= '' then redis.call('HSET', device_key, 'alike', alike) end
if looks_like ~= '' then
  append_event(outbox_key, store_ms(), event_id, 'device.looks_like', account, {device = device_id, looks_like = looks_like, verdict = verdict, reason = reason})
end
return 1
