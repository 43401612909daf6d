-- Copy what sign-ins of one account have left behind, under new ids of the same length, `copies` times.
-- INCLUDE ../../gateway/revocation/append.lua
-- KEYS account outbox
-- ARGV prefix account number step copies
-- REST pairs of words: session id, device id
-- RETURNS number of sessions made
local now = store_ms()
local function changed(flat, changes)
  for i = 1, #flat, 2 do flat[i + 1] = changes[flat[i]] or flat[i + 1] end
  return flat
end
local function another(id, k) return string.sub(id, 1, 14) .. string.format('%08d', k) end
local made = 0
for k = 1, tonumber(copies) do
  local name = string.format('visitor%07d@example.com', number + k * step)
  redis.call('HSET', prefix .. 'account:' .. name, unpack(redis.call('HGETALL', account_key)))
  for i = 6, #ARGV, 2 do
    local session, device = another(ARGV[i], k), another(ARGV[i + 1], k)
    local row = redis.call('HGETALL', prefix .. 'device:' .. ARGV[i + 1])
    local browser
    for j = 1, #row, 2 do if row[j] == 'browser' then browser = another(row[j + 1], k) end end
    redis.call('HSET', prefix .. 'device:' .. device, unpack(changed(row, {account = name, browser = browser})))
    redis.call('SADD', prefix .. 'devices:' .. name, device)
    redis.call('SET', prefix .. 'browser:' .. name .. ':' .. browser, device, 'PX', 34560000000)
    local from = prefix .. 'session:' .. ARGV[i]
    redis.call('HSET', prefix .. 'session:' .. session, unpack(changed(redis.call('HGETALL', from), {account = name, device = device})))
    redis.call('PEXPIRE', prefix .. 'session:' .. session, redis.call('PTTL', from))
    append_event(outbox_key, now, another(ARGV[i], k) .. '1', 'device.added', name, {device = device, name = 'Firefox on Linux', kind = 'computer'})
    append_event(outbox_key, now, another(ARGV[i], k) .. '2', 'session.started', name, {session = session, device = device, remembered = true})
    made = made + 1
  end
end
return made
