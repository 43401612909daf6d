-- Take ids from an account's list whose rows have lapsed: the devices were forgotten. Atomic.
-- KEYS devices
-- ARGV prefix
-- REST ids of devices
-- RETURNS how many were taken
local taken = 0
for i = 2, #ARGV do
  if redis.call('EXISTS', prefix .. 'device:' .. ARGV[i]) == 0 then taken = taken + redis.call('SREM', devices_key, ARGV[i]) end
end
return taken
