-- For wrk: each request with the next cookie of a file, round and round.  wrk -s many_cookies.lua URL -- FILE
-- The file is larger than a worker's memory of verified leases, so that it has seen none of them before.
local cookies, at, head, tail = {}, 0, "", ""

function init(arguments)
  for line in io.lines(arguments[1]) do cookies[#cookies + 1] = line end
  wrk.headers["Cookie"] = "@@"
  head, tail = string.match(wrk.format(), "^(.-)@@(.*)$")
end

function request()
  at = at % #cookies + 1
  return head .. cookies[at] .. tail
end
