import { assertEquals, assertRejects } from "@std/assert";
import { ServedModel } from "../../../lib/http/queue/served_model.ts";
import { CAT, get, post, standIn, testService } from "../../support/http_service.ts";

Deno.test("after a load that failed none is tried for a while, for longer each time, and then anew", async () => {
  let loads = 0, now = 0, isBroken = true;
  const waits: number[] = [];
  const model = new ServedModel(() => {
    loads++;
    if (isBroken) return Promise.reject(new Error(`load ${loads} failed`));
    return Promise.resolve(standIn(() => Promise.resolve([0.5])));
  }, { now: () => now, onFailure: (_, waitMs) => waits.push(waitMs) });
  for (let n = 1; n <= 12; n++) {
    await assertRejects(() => model.get(), Error, `load ${n} failed`);
    // Who asks before that is told the same, and nothing is loaded.
    now += model.waitMs - 1;
    await assertRejects(() => model.get(), Error, `load ${n} failed`);
    assertEquals([loads, model.waitMs], [n, 1]);
    now += 1;
  }
  const seconds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300];
  assertEquals(waits, seconds.map((s) => s * 1000));
  isBroken = false;
  const classifier = await model.get();
  assertEquals([await model.get(), model.info, model.waitMs, loads], [
    classifier,
    classifier.info,
    0,
    13,
  ]);
});

Deno.test("those who wait for one load share it, and its failure", async () => {
  let loads = 0;
  const model = new ServedModel(async () => {
    loads++;
    await Promise.resolve();
    throw new Error("no");
  });
  const results = await Promise.allSettled([model.get(), model.get(), model.get()]);
  assertEquals(results.map(({ status }) => status), Array(3).fill("rejected"));
  assertEquals(loads, 1);
});

/** A service whose model is at a server that counts who asks for it, and has none. */
async function withBrokenModel(
  options: { keys?: string[] },
  test: (
    ask: (request: Request) => Promise<Response>,
    fetched: () => number,
    lines: Record<string, unknown>[],
  ) => Promise<void>,
): Promise<void> {
  let fetched = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    fetched++;
    return new Response("this is no model");
  });
  const lines: Record<string, unknown>[] = [];
  const model = `http://127.0.0.1:${server.addr.port}/model.safetensors`;
  const service = testService({
    ...options,
    model,
    classifier: undefined,
    logLevel: "error",
    writeLog: (line) => lines.push(JSON.parse(line)),
  });
  try {
    await test((request) => service.fetch(request), () => fetched, lines);
  } finally {
    await service[Symbol.asyncDispose]();
    await server.shutdown();
  }
}

const OPEN_ROUTES = [
  "/",
  "/page.js",
  "/openapi.json",
  "/livez",
  "/readyz",
  "/v2/health/live",
  "/v2/health/ready",
  "/v2/models/any/ready",
  "/v2/models/any/versions/1/ready",
];

Deno.test("routes that need no key never load the model, before and after a load that failed", async () => {
  for (const options of [{}, { keys: ["key"] }]) {
    await withBrokenModel(options, async (ask, fetched, lines) => {
      const authorization = "Bearer key";
      const askAll = async (): Promise<(string | null)[]> => {
        const waits = [];
        for (const path of OPEN_ROUTES) {
          const response = await ask(get(path));
          await response.body?.cancel();
          assertEquals(response.status, path.includes("ready") ? 503 : 200, path);
          if (path.includes("readyz")) waits.push(response.headers.get("retry-after"));
        }
        return waits;
      };
      assertEquals(await askAll(), [null]);
      assertEquals(fetched(), 0);
      const refused = await ask(post("/classify", CAT, { authorization }));
      assertEquals([refused.status, refused.headers.get("retry-after")], [500, "1"]);
      assertEquals((await refused.json()).code, "model-format");
      const after = fetched();
      assertEquals(after > 0, true);
      assertEquals(await askAll(), ["1"]);
      assertEquals(fetched(), after);
      assertEquals(lines.map(({ message }) => message), ["load", "request"]);
      assertEquals(lines[0].waitMs, 1000);
    });
  }
});

Deno.test("who has no key starts no load by any route, and is not told which model there is", async () => {
  await withBrokenModel({ keys: ["key"] }, async (ask, fetched) => {
    for (
      const path of ["/classify", "/embed", "/explain", "/", "/models/x", "/v2/models/x/infer"]
    ) {
      const response = await ask(post(path, CAT));
      await response.body?.cancel();
      assertEquals(response.status, 401, path);
    }
    assertEquals(fetched(), 0);
  });
  const service = testService({ keys: ["key"] });
  await service.warmUp();
  const response = await service.fetch(get("/v2/models/other/ready"));
  assertEquals(response.status, 404);
  assertEquals((await response.text()).includes("cifar10"), false);
  assertEquals((await service.fetch(get("/v2/models/vgg16-cifar10/ready"))).status, 200);
});
