-- Which keys the registered workers know, and since when all of them know a key. In one step with the registry: a worker
-- that registers later finds here every key that may already be in use.
-- All rows are read once for each version of the registry, not once for each worker that asks: the count is kept, and
-- counted again if it is of another version or number of workers (a worker of an older release wrote its row), or old.
-- KEYS deployment workers agreed_keys key_knowers
-- ARGV retired count_again_ms
-- RETURNS {now_ms, version, workers, {key_id, knowers, agreed_at_ms or '', key_id, ...}}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local version = redis.call('HGET', deployment_key, 'registry_version') or '0'
local size = tostring(redis.call('HLEN', workers_key))
local counted, of_size, at_ms, workers = unpack(redis.call('HMGET', key_knowers_key, ':version', ':size', ':at_ms', ':workers'))
local age = now - tonumber(at_ms or 0)
if counted ~= version or of_size ~= size or age < 0 or age >= tonumber(count_again_ms) then
  local knowers = {}
  workers = 0
  for _, row in ipairs(redis.call('HVALS', workers_key)) do
    local is_row, known = pcall(function() return cjson.decode(row).keys end)
    if is_row and type(known) == 'table' then
      workers = workers + 1
      for _, id in ipairs(known) do
        if type(id) == 'string' and string.match(id, '^[^:%s]%S*$') then knowers[id] = (knowers[id] or 0) + 1 end
      end
    end
  end
  redis.call('DEL', key_knowers_key)
  redis.call('HSET', key_knowers_key, ':version', version, ':size', size, ':at_ms', string.format('%.0f', now), ':workers', workers)
  for id, count in pairs(knowers) do redis.call('HSET', key_knowers_key, id, count) end
end
workers = tonumber(workers)
for id in string.gmatch(retired, '%S+') do
  -- The others look again.
  if redis.call('HDEL', agreed_keys_key, id) == 1 then
    version = tostring(redis.call('HINCRBY', deployment_key, 'registry_version', 1))
    redis.call('HSET', key_knowers_key, ':version', version)
  end
end
local found, flat = {}, redis.call('HGETALL', key_knowers_key)
for i = 1, #flat, 2 do
  local id, count = flat[i], tonumber(flat[i + 1])
  if string.sub(id, 1, 1) ~= ':' then
    if count == workers then redis.call('HSETNX', agreed_keys_key, id, string.format('%.0f', now)) end
    found[#found + 1] = id
    found[#found + 1] = count
    found[#found + 1] = redis.call('HGET', agreed_keys_key, id) or ''
  end
end
return {now, tonumber(version), workers, found}
