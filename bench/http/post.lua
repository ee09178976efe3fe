-- wrk: posts a file, and prints what came of it as one line of JSON.
--   wrk -t1 -c8 -d5 -s post.lua URL -- FILE [CONTENT_TYPE]

local counters = {}

function setup(thread)
  table.insert(counters, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*a")
  wrk.headers["content-type"] = args[2] or "application/octet-stream"
  file:close()
  ok, busy, other = 0, 0, 0
end

function response(status)
  if status == 200 then ok = ok + 1
  elseif status == 429 then busy = busy + 1
  else other = other + 1 end
end

function done(summary, latency)
  local ok, busy, other = 0, 0, 0
  for _, thread in ipairs(counters) do
    ok = ok + thread:get("ok")
    busy = busy + thread:get("busy")
    other = other + thread:get("other")
  end
  local errors = summary.errors
  print(string.format(
    '{"seconds":%.3f,"ok":%d,"busy":%d,"other":%d,"broken":%d,"p50":%.2f,"p95":%.2f,"p99":%.2f}',
    summary.duration / 1e6, ok, busy, other,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000))
end
