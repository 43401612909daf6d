-- Sign out every account of one partition: raise its floor, append to the stream, ring, note the event. Atomic.
-- Repeated with the same act it only rings again: who signed in since stays in.
-- INCLUDE append.lua epoch.lua
-- KEYS generations revocations number home act outbox
-- ARGV partition revocation_id reply_to event_id reason
-- RETURNS {at_ms, run_id, home_age_ms}
local at_ms, generation = unpack(redis.call('HMGET', act_key, 'at_ms', 'generation'))
if not at_ms then
  at_ms = string.format('%.0f', store_ms())
  -- Above every generation that an account of this partition was ever given.
  generation = redis.call('HINCRBY', generations_key, 'last', 1)
  redis.call('HSET', generations_key, 'floor', generation, 'not_before_ms', at_ms)
  redis.call('HSET', act_key, 'at_ms', at_ms, 'generation', generation)
  redis.call('PEXPIRE', act_key, 86400000)
  if event_id ~= '' then
    append_event(outbox_key, at_ms, event_id, 'everybody.signed_out', '', {reason = reason, revocation = revocation_id})
  end
end
append_entry(revocations_key, number_key, at_ms, 'everybody', partition, generation, revocation_id, reply_to)
local now = store_ms()
local run_id, _, since_ms = current_epoch(home_key, now)
return {at_ms, run_id, since_ms > 0 and math.max(now - since_ms, 0) or -1}
