-- One partition's stream from an id on, and how many entries it ever had, as one instant saw it. The caller says from
-- where: this server's clock may just have been set.
-- Notes the partition's home, so that whoever revokes there next knows how long it has been one.
-- INCLUDE epoch.lua
-- KEYS revocations number home
-- ARGV from_ms run_id
-- RETURNS {number, {entry, ...}}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
current_epoch(home_key, now, run_id)
local entries = {}
for _, item in ipairs(redis.call('XRANGE', revocations_key, from_ms, '+')) do
  entries[#entries + 1] = item[2][2]
end
return {tonumber(redis.call('GET', number_key) or 0), entries}
