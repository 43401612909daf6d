-- Included by scripts that revoke. Appends one entry to the partition's stream, rings for it, and returns its number and
-- its words without reply_to.
-- An entry and its bell carry the same words: number kind id generation at_ms revocation_id reply_to.
-- Nothing is trimmed here, for the clock may have been set a moment ago (trim.lua).
local function append_entry(revocations_key, number_key, at_ms, kind, id, generation, revocation_id, reply_to)
  local number = redis.call('INCR', number_key)
  local words = number .. ' ' .. kind .. ' ' .. id .. ' ' .. generation .. ' ' .. at_ms .. ' ' .. revocation_id
  local entry = words .. ' ' .. reply_to
  redis.call('XADD', revocations_key, '*', 'e', entry)
  redis.call('SPUBLISH', revocations_key, entry)
  return number, words
end
local function append_event(outbox_key, at_ms, event_id, kind, account, data)
  redis.call('XADD', outbox_key, '*', 'id', event_id, 'type', kind, 'account', account, 'at_ms', string.format('%.0f', at_ms), 'data', cjson.encode(data))
end
local function store_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
