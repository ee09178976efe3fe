import { assertEquals, assertRejects } from "@std/assert";
import { classifierFrom } from "../../../lib/compose/classifier_from.ts";
import { BackendUnavailableError } from "../../../lib/errors.ts";
import type { ServiceOptions } from "../../../lib/http/service.ts";
import type { HttpService } from "../../../lib/http/server/http_service.ts";
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
  // A load that succeeded ends the doubling.
  isBroken = true;
  const lost = new BackendUnavailableError("backend-lost", "webgpu", "gone", { retryable: false });
  await assertRejects(() => model.use(() => Promise.reject(lost)), Error, "load 14 failed");
  assertEquals(waits.at(-1), 1000);
});

Deno.test("what a program's function gives is a classifier, or the load fails, and closing does not", async () => {
  for (const given of [42, undefined, { model: "vgg16-imagenet" }]) {
    const model = new ServedModel(() => Promise.resolve(given as never));
    await assertRejects(() => model.get(), TypeError, "Expected a classifier");
    assertEquals([model.ready, model.info], [false, undefined]);
    await model.close();
  }
});

Deno.test("a classifier that somebody has closed is loaded anew, unless it is borrowed", async () => {
  let loads = 0;
  const load = () => {
    loads++;
    return Promise.resolve(classifierFrom({ labels: ["a", "b"], scores: () => [[0.5, 0.5]] }));
  };
  for (const isBorrowed of [false, true]) {
    loads = 0;
    const model = new ServedModel(load, { isBorrowed });
    const first = await model.get();
    await first.close();
    assertEquals([model.ready, await model.get() === first, loads], [
      false,
      isBorrowed,
      isBorrowed ? 1 : 2,
    ]);
    assertEquals(model.ready, !isBorrowed);
    await model.close();
  }
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

/** Services whose model is at a server that counts who asks for it, and has none. */
async function withBrokenModel(
  test: (
    serve: (options?: ServiceOptions) => HttpService,
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
  const writeLog = (line: string): void => void lines.push(JSON.parse(line));
  const options = { model, classifier: undefined, logLevel: "error", writeLog } as const;
  try {
    await test((more) => testService({ ...options, ...more }), () => fetched, lines);
  } finally {
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
const authorization = "Bearer key";

Deno.test("routes that need no key never load the model, before and after a load that failed", async () => {
  for (const options of [{}, { keys: ["key"] }]) {
    await withBrokenModel(async (serve, fetched, lines) => {
      const load = async (service: HttpService): Promise<Response> =>
        await service.fetch(post("/classify", CAT, { authorization }));
      const service = serve(options);
      const askAll = async (): Promise<string | null> => {
        let wait = null;
        for (const path of OPEN_ROUTES) {
          const response = await service.fetch(get(path));
          await response.body?.cancel();
          assertEquals(response.status, path.includes("ready") ? 503 : 200, path);
          if (path === "/readyz") wait = response.headers.get("retry-after");
        }
        return wait;
      };
      // What a load costs, and later how long one takes: another service's has ended.
      await (await load(serve(options))).body?.cancel();
      const once = fetched();
      assertEquals(await askAll(), null);
      await (await load(serve(options))).body?.cancel();
      assertEquals(fetched(), 2 * once);
      const refused = await load(service);
      assertEquals([refused.status, refused.headers.get("retry-after")], [500, "1"]);
      const { code, retryable } = await refused.json();
      assertEquals([code, retryable], ["model-format", false]);
      assertEquals(await askAll(), "1");
      await (await load(serve(options))).body?.cancel();
      assertEquals(fetched(), 4 * once);
      const loads = lines.filter(({ message }) => message === "load");
      assertEquals(loads.map(({ waitMs }) => waitMs), Array(4).fill(1000));
    });
  }
});

Deno.test("who has no key starts no load by any route, and is not told which model there is", async () => {
  await withBrokenModel(async (serve, fetched) => {
    const service = serve({ keys: ["key"] });
    for (
      const path of ["/classify", "/embed", "/explain", "/", "/models/x", "/v2/models/x/infer"]
    ) {
      const response = await service.fetch(post(path, CAT));
      await response.body?.cancel();
      assertEquals(response.status, 401, path);
    }
    await (await serve().fetch(post("/classify", CAT))).body?.cancel();
    const once = fetched();
    await (await serve().fetch(post("/classify", CAT))).body?.cancel();
    assertEquals(fetched(), 2 * once);
  });
  const service = testService({ keys: ["key"] });
  await service.warmUp();
  const response = await service.fetch(get("/v2/models/other/ready"));
  assertEquals(response.status, 404);
  assertEquals((await response.text()).includes("cifar10"), false);
  assertEquals((await service.fetch(get("/v2/models/vgg16-cifar10/ready"))).status, 200);
});
