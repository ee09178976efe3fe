import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { WeightsDownloadError } from "../../../lib/errors.ts";
import { createHandler } from "../../../lib/http/service.ts";
import { HttpService } from "../../../lib/http/server/http_service.ts";
import {
  Counter,
  Gauge,
  Histogram,
  Log,
  renderMetrics,
} from "../../../lib/http/server/telemetry.ts";
import { CAT, get, post, testService } from "../../support/http_service.ts";

Deno.test("a request is one line of JSON with what it cost, and nothing of the image or the key", async () => {
  const lines: string[] = [];
  const service = testService({
    keys: ["secret-key"],
    logLevel: "info",
    writeLog: (line) => lines.push(line),
  });
  const headers = { "x-request-id": "id-1", authorization: "Bearer secret-key" };
  const response = await service.fetch(post("/classify?allow=cat", CAT, headers));
  await response.body?.cancel();
  assertEquals(lines.length, 1);
  const line = JSON.parse(lines[0]);
  assertEquals(
    [line.level, line.message, line.requestId, line.method, line.path, line.status],
    ["info", "request", "id-1", "POST", "/classify", 200],
  );
  assertEquals([line.bytesIn, line.images, line.batch], [CAT.length, 1, 1]);
  for (const name of ["ms", "decodeMs", "queueMs", "inferenceMs"]) {
    assertEquals(typeof line[name], "number", name);
  }
  assertMatch(line.time, /^\d{4}-\d\d-\d\dT.*Z$/);
  assert(!lines[0].includes("secret"));
  assert(lines[0].length < 400, lines[0]);
});

Deno.test("lines are for people where logFormat says so, and else objects", async () => {
  const logged = async (logFormat?: "text" | "json"): Promise<string> => {
    const lines: string[] = [], writeLog = (line: string) => void lines.push(line);
    const service = testService({ logFormat, logLevel: "info", writeLog });
    await (await service.fetch(get("/v2"))).body?.cancel();
    return lines[0]!;
  };
  for (const format of ["json", undefined] as const) {
    assertEquals(JSON.parse(await logged(format)).path, "/v2");
  }
  assertMatch(await logged("text"), /^\S+ \S*info\s.*request.*\/v2/);
});

Deno.test("lines below the level are not written", () => {
  const lines: string[] = [];
  const log = new Log("warn", "json", (line) => lines.push(line));
  log.write("info", "no");
  log.write("warn", "yes", { n: 1, missing: undefined });
  new Log("off", "json", (line) => lines.push(line)).write("error", "no");
  assertEquals(lines.map((line) => JSON.parse(line).message), ["yes"]);
});

Deno.test("text is for people", () => {
  const lines: string[] = [];
  new Log("info", "text", (line) => lines.push(line)).write("info", "request", {
    path: "/a b",
    ms: 1.5,
    x: undefined,
  });
  assertMatch(lines[0], /^\S+Z .*info.* request path="\/a b" ms=1.5$/);
});

Deno.test("text is colored, unless NO_COLOR is set", async () => {
  const { href } = new URL("../../../lib/http/server/telemetry.ts", import.meta.url);
  const code = `import { Log } from "${href}"; new Log("info", "text").write("warn", "request");`;
  for (const [value, word] of [["", "\x1b[33mwarn \x1b[39m"], ["1", "warn "]]) {
    const env = { NO_COLOR: value };
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", code], env })
      .output();
    assertEquals(new TextDecoder().decode(stdout).replace(/^\S+ /, ""), `${word} request\n`);
  }
});

Deno.test("questions for health are not logged, even while the answer is no", async () => {
  const lines: string[] = [];
  const service = testService({
    classifier: new Promise(() => {}),
    logLevel: "info",
    writeLog: (line) => lines.push(line),
  });
  for (const path of ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"]) {
    await (await service.fetch(get(path))).body?.cancel();
  }
  assertEquals(lines, []);
});

Deno.test("metrics are rendered in Prometheus's text format", () => {
  const counter = new Counter("a_total", "Things.");
  counter.add({ kind: 'x"\\\n' });
  counter.add({ kind: 'x"\\\n' });
  counter.add();
  const histogram = new Histogram("b_seconds", "Times.", [0.1, 1]);
  for (const value of [0.1, 0.5, 2]) histogram.observe(value);
  const gauge = new Gauge("c", "A number.", 7);
  assertEquals(
    renderMetrics([counter, histogram, gauge]),
    `# HELP a_total Things.
# TYPE a_total counter
a_total{kind="x\\"\\\\\\n"} 2
a_total 1
# HELP b_seconds Times.
# TYPE b_seconds histogram
b_seconds_bucket{le="0.1"} 1
b_seconds_bucket{le="1"} 2
b_seconds_bucket{le="+Inf"} 3
b_seconds_sum 2.6
b_seconds_count 3
# HELP c A number.
# TYPE c gauge
c 7
`,
  );
});

Deno.test("/metrics counts what happened, by route and not by path", async () => {
  const service = testService();
  for (
    const request of [post("/classify", CAT), post("/classify", "no image"), get("/a"), get("/b")]
  ) {
    await (await service.fetch(request)).body?.cancel();
  }
  const response = await service.fetch(get("/metrics"));
  assertEquals(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  const value = (sample: string) =>
    text.split("\n").find((line) => line.startsWith(sample + " "))?.split(" ").at(-1);
  assertEquals(value('vgg16_requests_total{route="/classify",status="200"}'), "1");
  assertEquals(value('vgg16_requests_total{route="/classify",status="415"}'), "1");
  assertEquals(value('vgg16_requests_total{route="none",status="404"}'), "2");
  assertEquals(value('vgg16_errors_total{kind="image-format"}'), "1");
  assertEquals(value("vgg16_decode_seconds_count"), "1");
  assertEquals(value("vgg16_inference_seconds_count"), "1");
  assertEquals(value("vgg16_batch_images_sum"), "1");
  assertEquals(value("vgg16_queue_images"), "0");
  assertEquals(value("vgg16_ready"), "1");
  assert(Number(value("vgg16_model_bytes")) > 3_000_000);
  assertMatch(
    text,
    /vgg16_build_info\{version="[\d.]+",deno="[\d.]+",model="vgg16-cifar10",backend="wasm",precision="int8",head="softmax"\} 1/,
  );
  // Every line is a comment or a sample.
  const sample = /^[a-z][a-z0-9_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [\d.e+-]+$/;
  for (const line of text.trimEnd().split("\n")) {
    assertMatch(line, /^# (HELP|TYPE) /.test(line) ? /./ : sample);
  }
});

Deno.test("a handler answers when the caller's log throws", async () => {
  let isBroken = true;
  const handler = createHandler({
    logLevel: "debug",
    writeLog: () => {
      if (isBroken) throw new Error("the log's disk is full");
    },
  });
  const get = (path: string) => handler(new Request(`http://localhost${path}`));
  assertEquals((await get("/livez")).status, 200);
  isBroken = false;
  const metrics = await (await get("/metrics")).text();
  assertMatch(metrics, /^vgg16_requests_total\{route="\/livez",status="200"\} 1$/m);
});

Deno.test("a service says in its log that a hash rules out no forgery, and where its model could not be got", async () => {
  await using mirror = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("none", { status: 404 }),
  );
  const cacheDir = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  const lines: string[] = [];
  await using service = new HttpService({
    ...{ model: "vgg16-keras-features", cacheDir, logLevel: "warn" },
    baseUrl: `http://robot:hunter2@127.0.0.1:${mirror.addr.port}/?sig=PRESIGNED`,
    writeLog: (line) => void lines.push(line),
  });
  await assertRejects(() => service.warmUp(), WeightsDownloadError, "404");
  const warnings = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === "warn");
  assertEquals(warnings.map(({ message, warning }) => [message, warning]), [
    [
      "model",
      "vgg16-keras-features: only its MD5 is published, which tells damage, but not a forgery",
    ],
  ]);
  assert(!/hunter2|PRESIGNED/.test(lines.join()), lines.join());
  await Deno.remove(cacheDir, { recursive: true });
});
