-- Sends the bodies in the file that BODIES names, one a line, in turn; prints what came back as one JSON object.

local threads, bodies, at = {}, {}, 0
sent = 0

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    for line in io.lines(os.getenv("BODIES")) do
        table.insert(bodies, wrk.format(nil, nil, nil, line))
    end
end

function request()
    sent = sent + 1
    at = at % #bodies + 1
    return bodies[at]
end

function done(summary, latency, requests)
    local all, errors = 0, summary.errors
    for _, thread in ipairs(threads) do
        all = all + thread:get("sent")
    end
    print(string.format(
        '{"sent":%d,"answered":%d,"seconds":%.6f,"refused":%d,"broken":%d,"p50_ms":%.3f,"p99_ms":%.3f}',
        all, summary.requests, summary.duration / 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
