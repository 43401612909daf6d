-- Included by scripts that revoke. Appends one entry to the partition's stream, rings for it, and returns its number and
-- its words without reply_to.
-- An entry and its bell carry the same words: number kind id generation at_ms revocation_id reply_to.
-- The stream keeps 24 hours by the store's own clock, which also made its ids.
local function append_entry(revocations_key, number_key, at_ms, kind, id, generation, revocation_id, reply_to)
  local number = redis.call('INCR', number_key)
  local words = number .. ' ' .. kind .. ' ' .. id .. ' ' .. generation .. ' ' .. at_ms .. ' ' .. revocation_id
  local entry = words .. ' ' .. reply_to
  redis.call('XADD', revocations_key, 'MINID', '~', string.format('%.0f', at_ms - 86400000), '*', 'e', entry)
  redis.call('SPUBLISH', revocations_key, entry)
  return number, words
end
local function append_event(outbox_key, at_ms, event_id, kind, account, data)
  redis.call('XADD', outbox_key, 'MINID', '~', string.format('%.0f', at_ms - 604800000), '*', 'id', event_id, 'type', kind, 'account', account, 'at_ms', string.format('%.0f', at_ms), 'data', cjson.encode(data))
end
local function store_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
