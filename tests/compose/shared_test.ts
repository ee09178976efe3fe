import { assertEquals, assertRejects } from "@std/assert";
import { classify, sharedClassifier } from "../../lib/compose/shared.ts";
import { loadClassifier } from "../../lib/classifier.ts";
import { DisposedError, isVggError } from "../../lib/errors.ts";
import { CIFAR10, CIFAR10_FILE } from "../support/cifar10.ts";

const CAT = new URL("../data/photos/cat.png", import.meta.url);
const FILE = CIFAR10_FILE;
const bytes = await Deno.readFile(FILE);
const WASM = { model: CIFAR10, backend: "wasm", threads: 1 } as const;

/** A server of the embedded model that says how often its beginning was asked for, and waits for `open`. */
function modelServer() {
  let loads = 0;
  const opened = Promise.withResolvers<void>(), asked = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const range = /bytes=(\d+)-(\d+)/.exec(request.headers.get("range") ?? "");
    if (range === null || range[1] === "0") loads++;
    asked.resolve();
    await opened.promise;
    if (range === null) return new Response(bytes);
    const [first, last] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
    return new Response(bytes.subarray(first, last + 1), {
      status: 206,
      headers: { "content-range": `bytes ${first}-${last}/${bytes.length}` },
    });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/model.safetensors`,
    loads: () => loads,
    asked: asked.promise,
    open: () => opened.resolve(),
    [Symbol.asyncDispose]: async () => {
      opened.resolve();
      await server.shutdown();
    },
  };
}

Deno.test("callers with the same options share one load, and each closes its own classifier", async () => {
  await using server = modelServer();
  server.open();
  const options = { ...WASM, model: server.url };
  await (await loadClassifier(options)).close();
  const once = server.loads();
  const [a, b] = await Promise.all([
    sharedClassifier(options),
    // Written otherwise, and the same.
    sharedClassifier({ ...options, model: new URL(server.url).href, precision: "int8" }),
  ]);
  assertEquals(server.loads(), 2 * once);
  assertEquals(await a.classify(CAT), await b.classify(CAT));
  await a.close();
  await a.close();
  assertEquals([a.closed, a.usage().bytesResident, b.closed], [true, 0, false]);
  await assertRejects(() => a.classify(CAT), DisposedError);
  assertEquals((await b.classify(CAT))[0].label, "cat");
  const c = await sharedClassifier(options);
  assertEquals(server.loads(), 2 * once);
  await Promise.all([b.close(), c.close()]);
  // Nobody used it any more, so it was freed.
  await (await sharedClassifier(options)).close();
  assertEquals(server.loads(), 3 * once);
});

Deno.test("other options are another model", async () => {
  await using a = await sharedClassifier(WASM);
  await using b = await sharedClassifier({ ...WASM, precision: "float" });
  assertEquals([a.info.precision, b.info.precision], ["int8", "float"]);
});

Deno.test("who gives up waiting ends nobody else's load", async () => {
  await using server = modelServer();
  const options = { ...WASM, model: server.url }, first = new AbortController();
  const a = sharedClassifier({ ...options, signal: first.signal });
  await server.asked;
  const b = sharedClassifier(options);
  first.abort(new Error("the first has left"));
  await assertRejects(() => a, Error, "the first has left");
  server.open();
  await using classifier = await b;
  assertEquals((await classifier.classify(CAT))[0].label, "cat");
});

Deno.test("a load that nobody waits for ends, and the next caller begins another", async () => {
  await using server = modelServer();
  const ended = Promise.withResolvers<DOMException>();
  const ask = (request: Request): Promise<Response> => {
    request.signal.addEventListener("abort", () => ended.resolve(request.signal.reason));
    return fetch(request);
  };
  const options = { ...WASM, model: server.url, fetch: ask };
  const controllers = [new AbortController(), new AbortController()];
  const waiting = controllers.map(({ signal }) => sharedClassifier({ ...options, signal }));
  await server.asked;
  controllers.forEach((controller) => controller.abort());
  for (const call of waiting) await assertRejects(() => call, DOMException, "abort");
  // Not because the server is silent.
  assertEquals((await ended.promise).name, "AbortError");
  server.open();
  await (await sharedClassifier(options)).close();
});

Deno.test("all who wait for a load hear of its progress, and of its failure", async () => {
  await using server = modelServer();
  const heard = [0, 0], options = { ...WASM, model: server.url };
  const waiting = [0, 1].map((n) =>
    sharedClassifier({ ...options, onProgress: () => void heard[n]!++ })
  );
  server.open();
  for (const classifier of await Promise.all(waiting)) await classifier.close();
  assertEquals([heard[0]! > 0, heard[0]], [true, heard[1]]);
  const broken = { ...WASM, model: new TextEncoder().encode("no model") };
  const failed = await Promise.allSettled([sharedClassifier(broken), sharedClassifier(broken)]);
  for (const outcome of failed) {
    const reason = outcome.status === "rejected" ? outcome.reason : undefined;
    assertEquals(isVggError(reason, "model-format"), true);
  }
});

Deno.test("classify() and others who want the embedded model share it", async () => {
  const [best] = await classify(CAT);
  assertEquals(best.label, "tabby cat");
  const marks: string[] = [];
  await using classifier = await sharedClassifier({ onProgress: ({ stage }) => marks.push(stage) });
  assertEquals(marks, []); // Nothing was loaded.
  assertEquals(await classifier.classify(CAT), await classify(CAT));
});

Deno.test("the signal of the first classify() ends its own waiting alone", async () => {
  const signal = AbortSignal.abort(new Error("no time"));
  await assertRejects(() => classify(CAT, { signal }), Error, "no time");
  assertEquals((await classify(CAT))[0].label, "tabby cat");
});

Deno.test({
  name: "threads that decode end with the last classifier that is closed",
  ignore: Deno.build.os !== "linux", // It counts threads in /proc.
  fn: async () => {
    // In a process of its own: classify() keeps the decoders of this one.
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--no-check", "tests/support/last_user.ts"],
      cwd: new URL("../../", import.meta.url),
    }).output();
    const text = (data: Uint8Array) => new TextDecoder().decode(data);
    assertEquals(text(stdout), "[true,true,false,true,false]\n", text(stderr));
  },
});

Deno.test("what one caller's callbacks throw ends its own waiting alone", async () => {
  await using server = modelServer();
  const options = { ...WASM, model: server.url };
  const mine = new Error("mine");
  const a = sharedClassifier({
    ...options,
    onProgress() {
      throw mine;
    },
  });
  const b = sharedClassifier(options);
  server.open();
  assertEquals(await assertRejects(() => a), mine);
  await using classifier = await b;
  assertEquals((await classifier.classify(CAT))[0].label, "cat");
});
