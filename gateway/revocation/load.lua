-- Everything of one partition's stream that can still matter, and how many entries it ever had, as one instant saw it.
-- KEYS revocations number
-- ARGV keep_ms
-- RETURNS {number, {entry, ...}}
local t = redis.call('TIME')
local from = t[1] * 1000 + math.floor(t[2] / 1000) - keep_ms
local entries = {}
for _, item in ipairs(redis.call('XRANGE', revocations_key, string.format('%.0f', math.max(from, 0)), '+')) do
  entries[#entries + 1] = item[2][2]
end
return {tonumber(redis.call('GET', number_key) or 0), entries}
