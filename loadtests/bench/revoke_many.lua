-- Append many revocations of sessions to a partition's stream, as one revocation at a time does.
-- INCLUDE ../../gateway/revocation/append.lua
-- KEYS revocations number
-- ARGV first count
-- RETURNS number of entries appended
local at_ms = store_ms()
for n = first, first + count - 1 do
  append_entry(revocations_key, number_key, at_ms, 'session', string.format('revoked%014dA', n), 0, '-', '-')
end
return tonumber(count)
