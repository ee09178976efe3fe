import { assert, assertEquals, assertMatch } from "@std/assert";
import { Counter, Gauge, Histogram, renderMetrics } from "../../../lib/http/server/telemetry.ts";
import { CAT, get, post, testService } from "../../support/http_service.ts";

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
  assertEquals(value('vgg16_requests_total{route="/classify",status="422"}'), "1");
  assertEquals(value('vgg16_requests_total{route="none",status="404"}'), "2");
  assertEquals(value('vgg16_errors_total{kind="bad-image"}'), "1");
  assertEquals(value("vgg16_decode_seconds_count"), "1");
  assertEquals(value("vgg16_inference_seconds_count"), "1");
  assertEquals(value("vgg16_batch_images_sum"), "1");
  assertEquals(value("vgg16_queue_images"), "0");
  assertEquals(value("vgg16_ready"), "1");
  assert(Number(value("vgg16_model_bytes")) > 3_000_000);
  assertMatch(
    text,
    /vgg16_build_info\{version="[\d.]+",deno="[\d.]+",model="vgg16-cifar10",backend="wasm",precision="int8"\} 1/,
  );
  // Every line is a comment or a sample.
  const sample = /^[a-z][a-z0-9_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [\d.e+-]+$/;
  for (const line of text.trimEnd().split("\n")) {
    assertMatch(line, /^# (HELP|TYPE) /.test(line) ? /./ : sample);
  }
});
