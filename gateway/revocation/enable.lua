-- Let a disabled account sign in again and note the event; nothing that was signed out comes back. Atomic.
-- INCLUDE append.lua
-- KEYS account outbox
-- ARGV account event_id
-- RETURNS 1 if it was disabled, else 0
if redis.call('HDEL', account_key, 'disabled') == 0 then return 0 end
append_event(outbox_key, store_ms(), event_id, 'account.enabled', account, {})
return 1
