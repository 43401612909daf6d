-- The registered workers of one host: whose names begin so.
-- KEYS workers
-- ARGV start
-- RETURNS {worker, ...}
local found = {}
for _, worker in ipairs(redis.call('HKEYS', workers_key)) do
  if string.sub(worker, 1, #start) == start then found[#found + 1] = worker end
end
return found
