import { assert, assertEquals, assertMatch } from "@std/assert";
import { Log } from "../../../lib/http/server/telemetry.ts";
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
