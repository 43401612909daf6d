-- Included by scripts that begin or renew sessions: how long a device is kept, and where it is used.
-- A device is forgotten 90 days after the last moment at which a credential of it could be good: its row lapses, and the
-- list of its account with the last of them. One that was written before rows lapsed is given as long as any sign-in lasts.
local device_rest_ms, longest_ms = 7776000000, 42336000000
local function keep_for(key, ms)
  local left = redis.call('PTTL', key)
  if left == -1 then
    redis.call('PEXPIRE', key, string.format('%.0f', math.max(ms, longest_ms)))
  elseif left < ms then
    redis.call('PEXPIRE', key, string.format('%.0f', ms))
  end
end
local function note_session(prefix, account, device, session, good_until, now)
  local row = prefix .. 'device:' .. device
  local known = tonumber(redis.call('HGET', row, 'good_until_ms') or 0)
  redis.call('HSET', row, 's:' .. session, '1', 'last_seen_ms', string.format('%.0f', now), 'good_until_ms', string.format('%.0f', math.max(known, good_until)))
  keep_for(row, good_until - now + device_rest_ms)
  keep_for(prefix .. 'devices:' .. account, good_until - now + device_rest_ms)
end
-- Forget which sessions of a device have ended; gives those that have not, if they are more than a device may have: each
-- sign-in looks at all of them, and a removal ends all in one script. The one used longest ago comes first.
local most_of_device = 50
local function surplus_sessions(prefix, row, but)
  local live = {}
  for _, field in ipairs(redis.call('HKEYS', row)) do
    if string.sub(field, 1, 2) == 's:' then
      local id = string.sub(field, 3)
      local state, created, renewed = unpack(redis.call('HMGET', prefix .. 'session:' .. id, 'state', 'created_at_ms', 'renewed_at_ms'))
      if state ~= 'live' then
        redis.call('HDEL', row, field)
      elseif id ~= but then
        live[#live + 1] = {id, tonumber(renewed or created or 0)}
      end
    end
  end
  local surplus = {}
  if #live < most_of_device then return surplus end
  table.sort(live, function(one, other) return one[2] < other[2] end)
  for i = 1, math.min(#live - most_of_device + 1, 2 * most_of_device) do surplus[i] = live[i][1] end
  return surplus
end
-- Makes room by forgetting devices that no sign-in can last on any more, those used longest ago first.
local function has_room(prefix, account, most, now)
  local list = prefix .. 'devices:' .. account
  if redis.call('SCARD', list) < most then return true end
  local active, idle = 0, {}
  for _, id in ipairs(redis.call('SMEMBERS', list)) do
    local state, good_until, seen = unpack(redis.call('HMGET', prefix .. 'device:' .. id, 'state', 'good_until_ms', 'last_seen_ms'))
    if state ~= 'active' then
      redis.call('SREM', list, id)
    else
      active = active + 1
      if good_until and now >= tonumber(good_until) then idle[#idle + 1] = {id, tonumber(seen or 0)} end
    end
  end
  local surplus = active - most + 1
  if surplus > #idle then return false end
  table.sort(idle, function(one, other) return one[2] < other[2] end)
  for i = 1, surplus do
    local id = idle[i][1]
    local browser = redis.call('HGET', prefix .. 'device:' .. id, 'browser')
    if browser then redis.call('DEL', prefix .. 'browser:' .. account .. ':' .. browser) end
    redis.call('DEL', prefix .. 'device:' .. id)
    redis.call('SREM', list, id)
  end
  return true
end
local function note_place(row, place, now)
  if place == '' then return end
  local last, seen, former = unpack(redis.call('HMGET', row, 'place', 'place_at_ms', 'former_places'))
  if last ~= place then
    local kept, count = {}, 0
    if (last or '') ~= '' then kept[1], count = last .. '@' .. (seen or '0'), 1 end
    for one in string.gmatch(former or '', '%S+') do
      local its_place, at = string.match(one, '^(.*)@(%d+)$')
      if its_place and its_place ~= place and its_place ~= last and count < 6 and now - tonumber(at) < 2592000000 then
        count = count + 1
        kept[count] = one
      end
    end
    redis.call('HSET', row, 'place', place, 'former_places', table.concat(kept, ' '))
  end
  redis.call('HSET', row, 'place_at_ms', string.format('%.0f', now))
end
