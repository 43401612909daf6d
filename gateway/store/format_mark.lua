-- The format number of the store: which release wrote it, and which may read it. A mark that is older than the caller's,
-- or none, is replaced; a newer one stays.
-- KEYS deployment
-- ARGV format needs
-- RETURNS {format, needs} as found, 0 and 0 if there was none
local found, wanted = unpack(redis.call('HMGET', deployment_key, 'format', 'format_needs'))
found, wanted = tonumber(found or 0), tonumber(wanted or 0)
if found < tonumber(format) then
  redis.call('HSET', deployment_key, 'format', format, 'format_needs', needs)
end
return {found, wanted}
