-- Give a device the kind and model that a second look found; what its owner or the device has said itself stays. Atomic.
-- KEYS device
-- ARGV account kind model label
-- RETURNS 'refined', or 'kept' if the account has no such device or the device has said itself what it is
local owner, state, named, stated = unpack(redis.call('HMGET', device_key, 'account', 'state', 'named_by_owner', 'stated'))
if owner ~= account or state ~= 'active' or stated == '1' then return 'kept' end
redis.call('HSET', device_key, 'kind', kind, 'model', model)
if named ~= '1' then redis.call('HSET', device_key, 'name', label) end
return 'refined'
