-- For wrk: POST of ten views, as our page script sends what it gathered.  wrk -s batch_of_ten.lua URL
local events = {}
for at = 1, 10 do events[at] = '{"type":"view","page":"/watch/' .. at .. '","id":"6f0c1b5e' .. at .. '"}' end
wrk.method, wrk.body = "POST", table.concat(events, "\n")
wrk.headers["Content-Type"] = "text/plain;charset=UTF-8"
