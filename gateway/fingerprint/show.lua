-- Count the accounts whose devices state one hardware id, by a letter of 64 for each: enough to tell one from many, too
-- little to tell whom. Atomic.
-- KEYS showers
-- ARGV letter life_ms
-- RETURNS how many, at most 64
local letters = redis.call('GET', showers_key) or ''
if not string.find(letters, letter, 1, true) then letters = letters .. letter end
redis.call('SET', showers_key, letters, 'PX', life_ms)
return #letters
