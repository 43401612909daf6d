-- Included by the scripts of trials. A mark `trial:<tag>` is the ids of the claims made with an identifier, blank between
-- them: one as a rule, more after an override. A claim is over when its row is.
local function claims_of(prefix, tag)
  local live = {}
  for id in string.gmatch(redis.call('GET', prefix .. 'trial:' .. tag) or '', '%S+') do
    if redis.call('EXISTS', prefix .. 'trial-claim:' .. id) == 1 then live[#live + 1] = id end
  end
  return live
end
local function forget_claim(prefix, id)
  local row = prefix .. 'trial-claim:' .. id
  for tag in string.gmatch(redis.call('HGET', row, 'marks') or '', '%S+') do
    local rest = {}
    for _, other in ipairs(claims_of(prefix, tag)) do
      if other ~= id then rest[#rest + 1] = other end
    end
    if #rest > 0 then
      redis.call('SET', prefix .. 'trial:' .. tag, table.concat(rest, ' '), 'KEEPTTL')
    else
      redis.call('DEL', prefix .. 'trial:' .. tag, prefix .. 'trial-askers:' .. tag)
    end
  end
  return redis.call('DEL', row)
end
local function missing_key(key_ids_key, now, first, count)
  local known = {}
  for i = first, first + count - 1 do known[ARGV[i]] = true end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key_ids_key, string.format('%.0f', now), '+inf')) do
    if not known[id] then return id end
  end
end
