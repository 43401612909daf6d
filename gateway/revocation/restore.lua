-- Put back entries that a worker still holds and the store has lost (a fail-over, a restored copy). Idempotent: an
-- entry counts as there if the stream holds its revocation id for the same subject.
-- INCLUDE append.lua rows.lua
-- KEYS revocations number account_or_row generations
-- ARGV keep_ms kind id generation revocation_id at_ms
-- RETURNS 1 if it was missing and put back, else 0
local function prefix_of(key, rest) return string.sub(key, 1, #key - #rest) end
local function holds(entries)
  for _, item in ipairs(entries) do
    local words = {}
    for word in string.gmatch(item[2][2], '%S+') do words[#words + 1] = word end
    -- Who disables an account signs it out, too.
    local same = words[2] == kind or (kind == 'account' and words[2] == 'disable')
    if same and words[3] == id and tonumber(words[4]) >= tonumber(generation) then return true end
  end
  return false
end
-- Where it was appended, which may be hours ago (a worker that starts may read the whole stream): ids are given out by
-- the clock that at_ms is of. And in the last minutes, where somebody else has put it back, or the clock ran behind.
if holds(redis.call('XRANGE', revocations_key, at_ms, '+', 'COUNT', 100)) then return 0 end
local from = string.format('%.0f', math.max(store_ms() - keep_ms, 0))
if holds(redis.call('XRANGE', revocations_key, from, '+')) then return 0 end
if kind == 'device' then
  -- As the removal did: it counts no more among its account's, and nothing of it is kept.
  remove_device(prefix_of(account_or_row_key, 'device:' .. id), id, at_ms)
elseif kind == 'session' then
  end_session(prefix_of(account_or_row_key, 'session:' .. id), id, 'restored')
elseif kind == 'account' or kind == 'disable' then
  if tonumber(redis.call('HGET', account_or_row_key, 'generation') or 0) < tonumber(generation) then
    redis.call('HSET', account_or_row_key, 'generation', generation, 'not_before_ms', at_ms)
  end
  if kind == 'disable' then redis.call('HSET', account_or_row_key, 'disabled', '1') end
elseif kind == 'everybody' and tonumber(redis.call('HGET', generations_key, 'floor') or 0) < tonumber(generation) then
  redis.call('HSET', generations_key, 'floor', generation, 'not_before_ms', at_ms)
end
if tonumber(redis.call('HGET', generations_key, 'last') or 0) < tonumber(generation) then
  redis.call('HSET', generations_key, 'last', generation)
end
append_entry(revocations_key, number_key, store_ms(), kind, id, generation, revocation_id, '-')
return 1
