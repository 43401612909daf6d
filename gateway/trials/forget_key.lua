-- Forget those of `names` that were made under a key, and up to a moment; with none of them, tell the moment. Atomic
-- for each call; repeated until all of the partition was looked through.
-- INCLUDE ../revocation/append.lua
-- INCLUDE marks.lua
-- KEYS key_ids
-- ARGV prefix key_id until_ms
-- REST names of keys of the partition
-- RETURNS {how many claims, now_ms}
redis.call('ZREM', key_ids_key, key_id)
local forgotten, claims, permits = 0, prefix .. 'trial-claim:', prefix .. 'trial-permit:'
for i = 4, #ARGV do
  local name = ARGV[i]
  if string.sub(name, 1, #claims) == claims then
    local made_under, at = unpack(redis.call('HMGET', name, 'key_id', 'claimed_at_ms'))
    if made_under == key_id and tonumber(at) <= tonumber(until_ms) then
      forgotten = forgotten + forget_claim(prefix, string.sub(name, #claims + 1))
    end
  elseif string.sub(name, 1, #permits) == permits and redis.call('HGET', name, 'key_id') == key_id then
    redis.call('DEL', name)
  end
end
return {forgotten, store_ms()}
