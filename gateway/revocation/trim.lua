-- Let go of what is too old in one partition's streams, by a clock that the caller knows to have run evenly.
-- Ids are given out by the store's clock and never go back. Where it ran ahead they are no measure until the right time
-- has caught up with them; there the entries' own times are, and an entry is old if a later one is.
-- KEYS revocations outbox
-- ARGV revoked_before_ms told_before_ms now_ms
-- RETURNS how many entries were let go
local function at_of(item)
  local fields = item[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'at_ms' then return tonumber(fields[i + 1]) end
    if fields[i] == 'e' then return tonumber(string.match(fields[i + 1], '^%S+ %S+ %S+ %S+ (%d+)')) end
  end
end
local function trim(key, before_ms)
  local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  if not newest then return 0 end
  if tonumber(string.match(newest[1], '^%d+')) <= now_ms + 60000 then return redis.call('XTRIM', key, 'MINID', '~', before_ms) end
  local cut, from = nil, '-'
  for _ = 1, 10 do
    local page = redis.call('XRANGE', key, from, '+', 'COUNT', 1000)
    for _, item in ipairs(page) do
      if (at_of(item) or now_ms) < tonumber(before_ms) then cut = item[1] end
    end
    if #page < 1000 then break end
    from = '(' .. page[#page][1]
  end
  return cut and redis.call('XTRIM', key, 'MINID', cut) or 0
end
return trim(revocations_key, revoked_before_ms) + trim(outbox_key, told_before_ms)
