-- wrk: blocks of 1,000 NDJSON records of one length, made unique in place: two patches a record, by FFI.
-- Arguments: the plan's file (request target, credential, then `stride second number base`), the block's file, and the
-- first block's number.
local ffi = require("ffi")
local threads = {}

function setup(thread)
    thread:set("number", #threads)
    threads[#threads + 1] = thread
end

function init(args)
    local file = assert(io.open(args[1], "r"))
    local target, credential, places = file:read("*l", "*l", "*l")
    file:close()
    local numbers = {}
    for value in places:gmatch("%d+") do numbers[#numbers + 1] = tonumber(value) end
    stride, second_at, number_at, base = unpack(numbers)
    file = assert(io.open(args[2], "rb"))
    local block = file:read("*a")
    file:close()
    size, records = #block, #block / stride
    buffer = ffi.new("uint8_t[?]", size)
    ffi.copy(buffer, block, size)
    head = "POST " .. target .. " HTTP/1.1\r\nHost: 127.0.0.1\r\n" .. credential
        .. "\r\nContent-Type: application/x-ndjson\r\nContent-Length: " .. size .. "\r\n\r\n"
    next_block = tonumber(args[3]) + number * 100000 -- threads count in ranges of their own
    accepted, whole = 0, '"accepted":' .. records .. ","
end

function request()
    local second = os.date("!%Y-%m-%dT%H:%M:%S", base + next_block % 60000)
    local text = string.format("%09d", next_block)
    next_block = next_block + 1
    for record = 0, records - 1 do
        ffi.copy(buffer + record * stride + second_at, second, 19)
        ffi.copy(buffer + record * stride + number_at, text, 9)
    end
    return head .. ffi.string(buffer, size)
end

function response(status, headers, body)
    if status == 200 and body:find(whole, 1, true) then
        accepted = accepted + records
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
