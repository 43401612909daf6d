-- Give a device the name its owner chose; later sign-ins keep it.
-- KEYS device
-- ARGV account name
-- RETURNS 1, or 0 if the account has no such device
local owner, state = unpack(redis.call('HMGET', device_key, 'account', 'state'))
if owner ~= account or state ~= 'active' then return 0 end
redis.call('HSET', device_key, 'name', name, 'named_by_owner', '1')
return 1
