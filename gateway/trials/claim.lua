-- Decide whether an account may have a trial; with `keeps` also write it down. Atomic: every key of a trial lies in the
-- partition of its name, so of two claims with an identifier in common the second finds the first.
-- Who lacks a key under which claims were made could overlook one, and is told so instead.
-- An identifier that some 20 accounts have shown is a product line's: it is told and decides nothing.
-- INCLUDE ../revocation/append.lua
-- INCLUDE marks.lua
-- KEYS key_ids
-- ARGV prefix keeps claim_id life_ms shared_after key_count row_count first_shared
-- REST ids of the keys, the one to mark under first; a tag for each key of the account, then of each identifier
-- RETURNS {'behind', key_id} or {'granted' | 'held' | 'refused', claim, claimed_at_ms, overridden, {row, claim, claimed_at_ms, is_shared}...}
local now, width, life, most = store_ms(), tonumber(key_count), tonumber(life_ms), tonumber(shared_after)
local function whole(x) return string.format('%.0f', x) end
local lacking = missing_key(key_ids_key, now, 9, width)
if lacking then return {'behind', lacking} end
local function tag(row, column) return ARGV[8 + width * row + column] end
local function is_shared(row, column)
  if row < tonumber(first_shared) or most == 0 then return false end
  return redis.call('STRLEN', prefix .. 'trial-askers:' .. tag(row, column)) >= most
end

local held, held_at, own, by, why, permits = '', 0, {}, false, false, {}
for column = 1, width do
  for _, id in ipairs(claims_of(prefix, tag(1, column))) do
    local at = tonumber(redis.call('HGET', prefix .. 'trial-claim:' .. id, 'claimed_at_ms'))
    own[id] = true
    if at >= held_at then held, held_at = id, at end
  end
  local permit = prefix .. 'trial-permit:' .. tag(1, column)
  if redis.call('EXISTS', permit) == 1 then
    permits[#permits + 1] = permit
    by, why = unpack(redis.call('HMGET', permit, 'by', 'reason'))
  end
end
local reasons, refuses = {}, false
for row = 2, tonumber(row_count) do
  for column = 1, width do
    for _, id in ipairs(claims_of(prefix, tag(row, column))) do
      if not own[id] then
        local shared = is_shared(row, column)
        refuses = refuses or not shared
        reasons[#reasons + 1] = {row, id, tonumber(redis.call('HGET', prefix .. 'trial-claim:' .. id, 'claimed_at_ms')), shared and 1 or 0}
      end
    end
  end
end
local outcome = #permits > 0 and 'granted' or held ~= '' and 'held' or refuses and 'refused' or 'granted'
local answer = {outcome, outcome == 'held' and held or '', outcome == 'held' and held_at or 0, #permits > 0 and 1 or 0}
for _, reason in ipairs(reasons) do answer[#answer + 1] = reason end
if keeps ~= '1' or outcome == 'held' then return answer end

if outcome == 'granted' then
  local marked = {}
  for row = 1, tonumber(row_count) do
    -- A product line's mark would grow by every set that is sold.
    if not is_shared(row, 1) then
      local mark, ids = prefix .. 'trial:' .. tag(row, 1), claims_of(prefix, tag(row, 1))
      ids[#ids + 1] = claim_id
      redis.call('SET', mark, table.concat(ids, ' '), 'PX', math.max(life, redis.call('PTTL', mark)))
      marked[#marked + 1] = tag(row, 1)
    end
  end
  local row = prefix .. 'trial-claim:' .. claim_id
  redis.call('HSET', row, 'claimed_at_ms', whole(now), 'key_id', ARGV[9], 'marks', table.concat(marked, ' '))
  if by then redis.call('HSET', row, 'by', by, 'reason', why) end
  redis.call('PEXPIRE', row, life)
  for _, permit in ipairs(permits) do redis.call('DEL', permit) end
  redis.call('ZREMRANGEBYSCORE', key_ids_key, '-inf', whole(now))
  redis.call('ZADD', key_ids_key, 'GT', whole(now + life), ARGV[9])
  redis.call('PEXPIRE', key_ids_key, math.max(life, redis.call('PTTL', key_ids_key)))
  answer[2], answer[3] = claim_id, now
end
-- A letter of 64 for each account that showed what may be shared: enough to tell one from many, too little to tell whom.
for row = tonumber(first_shared), tonumber(row_count) do
  for column = 1, width do
    if redis.call('EXISTS', prefix .. 'trial:' .. tag(row, column)) == 1 then
      local askers, letter = prefix .. 'trial-askers:' .. tag(row, column), string.sub(tag(1, column), 1, 1)
      local letters = redis.call('GET', askers) or ''
      if not string.find(letters, letter, 1, true) then letters = letters .. letter end
      redis.call('SET', askers, letters, 'PX', life)
    end
  end
end
return answer
