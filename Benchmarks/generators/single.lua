-- wrk: one SAP webhook body a request, each unique.
-- Arguments: the plan's file (request target, credential, then one body a line in three parts), and the first counter.
local threads = {}

function setup(thread)
    thread:set("number", #threads)
    threads[#threads + 1] = thread
end

function init(args)
    local file = assert(io.open(args[1], "r"))
    local target, credential = file:read("*l", "*l")
    templates, count = {}, 0
    for line in file:lines() do
        local before, between, after = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)$")
        local length = #before + 12 + #between + 20 + #after
        local head = "POST " .. target .. " HTTP/1.1\r\nHost: 127.0.0.1\r\n" .. credential
            .. "\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: " .. length .. "\r\n\r\n"
        templates[count] = { head .. before, between, after }
        count = count + 1
    end
    file:close()
    counter = tonumber(args[2]) + number * 1000000000 -- threads count in ranges of their own
    clock, second, accepted = 0, "", 0
end

function request()
    local now = os.time()
    if now ~= clock then
        clock = now
        second = os.date("!%Y-%m-%dT%H:%M:%SZ", now)
    end
    local parts = templates[counter % count]
    counter = counter + 1
    return parts[1] .. string.format("%012d", counter) .. parts[2] .. second .. parts[3]
end

function response(status, headers, body)
    if status == 200 and body:find('"accepted":1,', 1, true) then
        accepted = accepted + 1
    end
end

-- One line of JSON for the driver.
function done(summary)
    local accepted = 0
    for _, thread in ipairs(threads) do accepted = accepted + thread:get("accepted") end
    local e = summary.errors
    io.write(string.format(
        'BENCH {"requests":%d,"accepted":%d,"seconds":%.6f,"not_2xx":%d,"broken":%d}\n',
        summary.requests, accepted, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout
    ))
end
