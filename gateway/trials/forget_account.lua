-- Forget the claims of an account to one trial, and what lets it claim again. Atomic.
-- INCLUDE ../revocation/append.lua
-- INCLUDE marks.lua
-- KEYS key_ids
-- ARGV prefix key_count
-- REST ids of the keys; the account's tag for each
-- RETURNS {'behind', key_id} or {'ok', how many claims}
local width, forgotten = tonumber(key_count), 0
local lacking = missing_key(key_ids_key, store_ms(), 3, width)
if lacking then return {'behind', lacking} end
for column = 1, width do
  local tag = ARGV[2 + width + column]
  for _, id in ipairs(claims_of(prefix, tag)) do
    forgotten = forgotten + forget_claim(prefix, id)
  end
  redis.call('DEL', prefix .. 'trial-permit:' .. tag)
end
return {'ok', forgotten}
