-- Delete rows of an account that is signed out and disabled: those of `names` that are its sessions and devices, and
-- which device each browser is. Atomic for each call; repeated until all of the partition was looked through.
-- INCLUDE ../revocation/rows.lua
-- KEYS devices sessions
-- ARGV prefix account
-- REST names of keys of the partition
-- RETURNS {sessions, devices}
local told = {0, 0}
local browsers = prefix .. 'browser:' .. account .. ':'
local function begins(text, with) return string.sub(text, 1, #with) == with end
for i = 3, #ARGV do
  local name = ARGV[i]
  -- A browser's id has 22 characters: what is longer is another account's, whose name begins with this one's.
  if begins(name, browsers) and #name == #browsers + 22 then
    redis.call('DEL', name)
  else
    local kind = begins(name, prefix .. 'session:') and 1 or begins(name, prefix .. 'device:') and 2
    -- Somebody else's key of another type is an error here, and nobody's.
    if (kind == 1 and is_sessions_owner(prefix, string.sub(name, #prefix + #'session:' + 1), account))
      or (kind == 2 and redis.pcall('HGET', name, 'account') == account) then
      redis.call('DEL', name)
      told[kind] = told[kind] + 1
    end
  end
end
redis.call('DEL', devices_key, sessions_key)
return told
