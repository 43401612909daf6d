-- Let a disabled account sign in again and note the event; nothing that was signed out comes back. Atomic.
-- INCLUDE append.lua
-- KEYS account outbox
-- ARGV account event_id
-- RETURNS 1 if it was disabled, else 0
if redis.call('HDEL', account_key, 'disabled') == 0 then
  -- A write, so that replicas can confirm what a call before this one changed.
  local generation = redis.call('HGET', account_key, 'generation')
  if generation then redis.call('HSET', account_key, 'generation', generation) end
  return 0
end
append_event(outbox_key, store_ms(), event_id, 'account.enabled', account, {})
return 1
