-- Forget what was kept of devices under a key of the ring. Atomic for each call.
-- KEYS first
-- ARGV key_id
-- REST names of device rows, all in the partition of the first
-- RETURNS how many signals
local forgotten = 0
for i = 2, #ARGV do
  local fields = redis.call('HGETALL', ARGV[i])
  for n = 1, #fields, 2 do
    local is_tag = fields[n] == 'hardware' or string.sub(fields[n], 1, 3) == 'fp:'
    if is_tag and string.find(' ' .. fields[n + 1], ' ' .. key_id .. '.', 1, true) then
      forgotten = forgotten + redis.call('HDEL', ARGV[i], fields[n])
    end
  end
end
return forgotten
