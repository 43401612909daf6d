-- End the sessions of some of an account's devices that a sign-out of the whole account has overtaken. Atomic.
-- They are refused already, by their generation: this forgets what their rows say.
-- INCLUDE rows.lua
-- KEYS account generations
-- ARGV prefix
-- REST ids of devices of the account
-- RETURNS how many sessions were ended
local floor = math.max(tonumber(redis.call('HGET', account_key, 'generation') or 0), tonumber(redis.call('HGET', generations_key, 'floor') or 0))
local ended = 0
for i = 2, #ARGV do
  for _, field in ipairs(redis.call('HKEYS', prefix .. 'device:' .. ARGV[i])) do
    if string.sub(field, 1, 2) == 's:' then
      local id = string.sub(field, 3)
      local generation = redis.call('HGET', prefix .. 'session:' .. id, 'generation')
      if not generation then
        redis.call('HDEL', prefix .. 'device:' .. ARGV[i], field)
      elseif tonumber(generation) < floor then
        end_session(prefix, id, 'signed_out')
        ended = ended + 1
      end
    end
  end
end
return ended
