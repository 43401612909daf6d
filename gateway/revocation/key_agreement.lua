-- Which keys the registered workers know, and since when all of them know a key. In one step with the registry: a worker
-- that registers later finds here every key that may already be in use.
-- KEYS workers agreed_keys
-- ARGV retired
-- RETURNS {now_ms, workers, {key_id, knowers, agreed_at_ms or '', key_id, ...}}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local workers, knowers = 0, {}
for _, row in ipairs(redis.call('HVALS', workers_key)) do
  workers = workers + 1
  for _, id in ipairs(cjson.decode(row).keys) do knowers[id] = (knowers[id] or 0) + 1 end
end
for id in string.gmatch(retired, '%S+') do redis.call('HDEL', agreed_keys_key, id) end
local found = {}
for id, count in pairs(knowers) do
  if count == workers then redis.call('HSETNX', agreed_keys_key, id, string.format('%.0f', now)) end
  found[#found + 1] = id
  found[#found + 1] = count
  found[#found + 1] = redis.call('HGET', agreed_keys_key, id) or ''
end
return {now, workers, found}
