import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  CAT,
  cifar10Classifier,
  get,
  post,
  postJson,
  standIn,
  testService,
} from "../../support/http_service.ts";
import { type ImageClassifier, loadClassifier } from "../../../lib/classifier.ts";
import { BackendUnavailableError, DisposedError } from "../../../lib/errors.ts";
import type { PreparedImage } from "../../../lib/input/prepared_image.ts";
import { ServedModel } from "../../../lib/http/queue/served_model.ts";
import { CIFAR10 } from "../../support/cifar10.ts";

/** A body that gives its parts when asked, and waits `ms` before each. */
function slowBody(parts: number, ms: number): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      if (parts-- > 0) controller.enqueue(new Uint8Array(10));
      else controller.close();
    },
  });
}

async function problemOf(
  response: Response,
): Promise<{ status: number; code: string; detail: string }> {
  assertEquals(response.headers.get("content-type"), "application/problem+json");
  const problem = await response.json();
  assertEquals(problem.status, response.status);
  assertEquals(problem.error, problem.detail);
  assertEquals(problem.type, "about:blank");
  return problem;
}

Deno.test("a body above maxBodyBytes is 413, by its Content-Length or by counting", async () => {
  const service = testService({ maxBodyBytes: 1000 });
  const claimed = await problemOf(
    await service.fetch(
      post("/classify", CAT, { "content-length": String(CAT.length) }),
    ),
  );
  assertEquals([claimed.status, claimed.code], [413, "body-too-large"]);
  assertStringIncludes(claimed.detail, `at most 1000 bytes, found ${CAT.length}`);
  const streamed = new Request("http://host/classify", { method: "POST", body: slowBody(101, 0) });
  assertEquals((await problemOf(await service.fetch(streamed))).code, "body-too-large");
  const lying = post("/classify", CAT, { "content-length": "10" });
  assertEquals((await problemOf(await service.fetch(lying))).code, "body-too-large");
});

Deno.test("a body that is not there in bodyTimeoutMs is 408", async () => {
  const service = testService({ bodyTimeoutMs: 50 });
  const slow = new Request("http://host/classify", { method: "POST", body: slowBody(1000, 20) });
  const problem = await problemOf(await service.fetch(slow));
  assertEquals([problem.status, problem.code], [408, "body-timeout"]);
});

Deno.test("a request that takes longer than timeoutMs is 504, and the network is told", async () => {
  let told = false;
  const classifier = standIn((_, signal) =>
    new Promise((_, reject) =>
      signal!.addEventListener("abort", () => {
        told = true;
        reject(signal!.reason);
      })
    )
  );
  const service = testService({ classifier, timeoutMs: 50 });
  const problem = await problemOf(await service.fetch(post("/classify", new Uint8Array([1]))));
  assertEquals([problem.status, problem.code, told], [504, "timeout", true]);
});

Deno.test("requests wait while the model loads, and no longer than timeoutMs", async () => {
  const loading = Promise.withResolvers<Awaited<ReturnType<typeof cifar10Classifier>>>();
  const patient = testService({ classifier: loading.promise });
  const hasty = testService({ classifier: loading.promise, timeoutMs: 30 });
  const notReady = await patient.fetch(get("/readyz"));
  await notReady.body?.cancel();
  assertEquals(notReady.status, 503);
  const waiting = patient.fetch(post("/classify", CAT));
  assertEquals((await problemOf(await hasty.fetch(post("/classify", CAT)))).code, "timeout");
  loading.resolve(await cifar10Classifier());
  assertEquals((await (await waiting).json())[0].label, "cat");
  const ready = await patient.fetch(get("/readyz"));
  await ready.body?.cancel();
  assertEquals(ready.status, 200);
});

Deno.test("an image with more pixels than maxPixels is 413, before it is decoded", async () => {
  const service = testService({ maxPixels: 1000 });
  const problem = await problemOf(await service.fetch(post("/classify", CAT)));
  assertEquals([problem.status, problem.code], [413, "image-pixels"]);
  assertStringIncludes(problem.detail, "451x300");
});

Deno.test("more images in a request than maxImages are 413", async () => {
  const service = testService({ maxImages: 2 });
  const inputs = Array(3).fill(CAT.toBase64());
  const problem = await problemOf(await service.fetch(postJson("/classify", { inputs })));
  assertEquals([problem.status, problem.code], [413, "too-many-images"]);
});

Deno.test("too many images are refused before one of them is looked at", async () => {
  const service = testService({ maxImages: 2 });
  const form = new FormData();
  for (const name of "abc") form.append(name, new File([CAT], name));
  const texts = Array(3).fill("no base64"), values = Array(9).fill("no number");
  const { model } = (await cifar10Classifier()).info;
  const tensor = (datatype: string, shape: number[], data: string[]) =>
    postJson(`/v2/models/${model}/infer`, { inputs: [{ name: "image", datatype, shape, data }] });
  const requests = {
    "a list": postJson("/classify", { inputs: texts }),
    "a form": post("/classify", form),
    "files in a tensor": tensor("BYTES", [3], texts),
    "pixels in a tensor": tensor("UINT8", [3, 1, 1, 3], values),
  };
  for (const [name, request] of Object.entries(requests)) {
    const { code } = await problemOf(await service.fetch(request));
    assertEquals(code, "too-many-images", name);
  }
});

Deno.test("headers above maxHeaderBytes are 431", async () => {
  const service = testService({ maxHeaderBytes: 256 });
  const problem = await problemOf(await service.fetch(get("/livez", { x: "y".repeat(300) })));
  assertEquals([problem.status, problem.code], [431, "headers-too-large"]);
});

Deno.test("above maxQueue requests are 429 with Retry-After, and the admitted ones are answered", async () => {
  const gate = Promise.withResolvers<void>();
  const classifier = standIn(async (images) => {
    await gate.promise;
    return images.map(() => 0.75);
  });
  const service = testService({ classifier, maxQueue: 4, maxImages: 4 });
  const sent = Array.from(
    { length: 10 },
    () => service.fetch(post("/classify", new Uint8Array([1]))),
  );
  const refused = await Promise.all(sent.slice(4));
  for (const response of refused) {
    const problem = await problemOf(response);
    assertEquals([problem.status, problem.code], [429, "overloaded"]);
    assert(Number(response.headers.get("retry-after")) >= 1);
  }
  gate.resolve();
  for (const response of await Promise.all(sent.slice(0, 4))) {
    assertEquals((await response.json())[0], { label: "yes", score: 0.75, index: 0 });
  }
  const later = await service.fetch(post("/classify", new Uint8Array([1])));
  await later.body?.cancel();
  assertEquals(later.status, 200);
});

Deno.test("a list needs a place for each image", async () => {
  const service = testService({
    classifier: standIn((xs) => Promise.resolve(xs.map(() => 0.5))),
    maxQueue: 3,
    maxImages: 3,
  });
  const list = (n: number) => postJson("/classify", { inputs: Array(n).fill("AQ==") });
  assertEquals((await (await service.fetch(list(3))).json()).length, 3);
  const [first, second] = await Promise.all([service.fetch(list(3)), service.fetch(list(3))]);
  await Promise.all([first.body?.cancel(), second.body?.cancel()]);
  assertEquals([first.status, second.status].sort(), [200, 429]);
});

Deno.test("media types that are no image are 415, malformed bodies 400", async () => {
  const service = testService();
  const wrong: [Request, number, string][] = [
    [post("/classify", "<p>", { "content-type": "text/html" }), 415, "found text/html"],
    [post("/classify", CAT, { "content-type": "video/mp4" }), 415, "found video/mp4"],
    [post("/classify", "{", { "content-type": "application/json" }), 400, "JSON is malformed"],
    [post("/classify", "[1]", { "content-type": "application/json" }), 400, "JSON object"],
    [post("/classify", "{}", { "content-type": "application/json" }), 400, '{"inputs": base64}'],
    [postJson("/classify", { inputs: "!" }), 400, "base64"],
    [
      post("/classify", "--x\r\nbroken", { "content-type": "multipart/form-data; boundary=x" }),
      400,
      "form is malformed",
    ],
    [post("/classify", "x", { "content-type": "multipart/form-data" }), 400, "form is malformed"],
    [
      post(
        "/classify",
        '--x\r\ncontent-disposition: form-data; name="a"; filename="b"\r\n\r\nGIF',
        {
          "content-type": "multipart/form-data; boundary=x",
        },
      ),
      400,
      "expected it to end with its boundary, --x--",
    ],
    [post("/classify", new FormData()), 400, "found none"],
    [post("/classify", ""), 400, "found no bytes"],
    [postJson("/classify", { url: "http://example.com/cat.png" }), 403, "fetches no URLs"],
    [postJson("/classify", { url: "nonsense" }), 422, "Expected a URL"],
    [post("/classify", CAT.subarray(0, 5000)), 422, "PNG"],
  ];
  for (const [request, status, detail] of wrong) {
    const problem = await problemOf(await service.fetch(request));
    assertEquals(problem.status, status, problem.detail);
    assertStringIncludes(problem.detail, detail);
  }
});

Deno.test("a problem repeats only the beginning of what was sent", async () => {
  const service = testService();
  const long = "x".repeat(100_000);
  const requests = [
    postJson("/classify", { url: long }),
    postJson("/classify", { url: `http://${long}` }),
    postJson("/models/vgg16-cifar10", { inputs: CAT.toBase64(), parameters: { top_k: long } }),
    postJson("/v2/models/vgg16-cifar10/infer", {
      inputs: [{ name: long, datatype: "FP32", shape: [1] }],
    }),
    post("/classify", CAT, { "content-type": `${long.slice(0, 10_000)}/x` }),
    post(`/classify?allow=${long.slice(0, 10_000)}`, CAT),
    post(`/classify?${long.slice(0, 10_000)}=1`, CAT),
    post(`/explain?label=${long.slice(0, 10_000)}`, CAT),
    post(`/${long.slice(0, 10_000)}`, CAT),
  ];
  for (const request of requests) {
    const { detail } = await problemOf(await service.fetch(request));
    assert(detail.length <= 1001, `${detail.length}: ${detail.slice(0, 100)}`);
  }
});

Deno.test("a request whose client has gone leaves the queue", async () => {
  const gate = Promise.withResolvers<void>();
  const seen: number[] = [];
  const classifier = standIn(async (images) => {
    await gate.promise;
    seen.push(...images);
    return images.map(() => 0.5);
  });
  const service = testService({ classifier, maxBatch: 1 });
  const client = new AbortController();
  const first = service.fetch(post("/classify", new Uint8Array([1])));
  const second = service.fetch(
    new Request(post("/classify", new Uint8Array([2])), { signal: client.signal }),
  );
  const third = service.fetch(post("/classify", new Uint8Array([3])));
  await new Promise((resolve) => setTimeout(resolve, 10));
  client.abort();
  assertEquals((await problemOf(await second)).code, "client-gone");
  gate.resolve();
  assertEquals([(await first).status, (await third).status], [200, 200]);
  await Promise.all([(await first).body?.cancel(), (await third).body?.cancel()]);
  assertEquals(seen, [1, 3]);
});

/** Answers three requests with a classifier whose first run fails, and counts loads. */
async function failingOnce(error: Error): Promise<{ statuses: number[]; loads: number }> {
  let calls = 0, loads = 0;
  const load = (): Promise<ImageClassifier> => {
    loads++;
    return Promise.resolve(standIn((images) => {
      calls++;
      return calls === 1 ? Promise.reject(error) : Promise.resolve(images.map(() => 0.5));
    }));
  };
  const model = new ServedModel(load);
  const statuses: number[] = [];
  for (let n = 0; n < 3; n++) {
    const work = model.use((classifier) => classifier.scores([n as unknown as PreparedImage]));
    statuses.push(await work.then(() => 200, () => 500));
  }
  await model.close();
  return { statuses, loads };
}

function lostForGood(): BackendUnavailableError {
  return new BackendUnavailableError("backend-lost", "webgpu", "lost for good", {
    retryable: false,
  });
}

Deno.test("a run whose device is lost is done once more, and loses no request", async () => {
  assertEquals(
    await failingOnce(new BackendUnavailableError("backend-lost", "webgpu", "lost")),
    { statuses: [200, 200, 200], loads: 1 },
  );
});

Deno.test("a model whose device is lost for good is loaded anew, and loses no request", async () => {
  assertEquals(
    await failingOnce(lostForGood()),
    { statuses: [200, 200, 200], loads: 2 },
  );
});

Deno.test("a classifier that was given stays the caller's, even if its device is lost for good", async () => {
  await using classifier = await loadClassifier({ model: CIFAR10, backend: "wasm", threads: 1 });
  const lost = lostForGood();
  let isLost = false;
  const given = new Proxy(classifier, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target);
      if (name === "scores" && isLost) return () => Promise.reject(lost);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const service = testService({ classifier: given });
  const answered = await service.fetch(post("/classify", CAT));
  assertStringIncludes(answered.headers.get("server-timing") ?? "", "wasm, int8");
  isLost = true;
  assertEquals(
    (await problemOf(await service.fetch(post("/classify", CAT)))).code,
    "backend-lost",
  );
  await service[Symbol.asyncDispose]();
  assertEquals((await classifier.classify(CAT))[0].label, "cat");
});

Deno.test("a service whose given classifier was disposed answers nevertheless", async () => {
  const classifier = await loadClassifier({ model: CIFAR10, backend: "wasm", threads: 1 });
  const service = testService({ classifier });
  await service.warmUp();
  await classifier[Symbol.asyncDispose]();
  const asked = [get("/livez"), get("/readyz"), get("/metrics"), post("/classify", CAT)];
  const answers = await Promise.all(asked.map((request) => service.fetch(request)));
  assertEquals(answers.map(({ status }) => status), [200, 503, 200, 500]);
  assertEquals((await problemOf(answers[3]!)).code, "disposed");
});

Deno.test("a service that was disposed loads no model again", async () => {
  let loads = 0;
  const model = new ServedModel(() => {
    loads++;
    return Promise.resolve(standIn(() => Promise.resolve([0.5])));
  });
  await model.get();
  await model.close();
  await assertRejects(() => model.get(), DisposedError, "This service was disposed");
  assertEquals([loads, model.info], [1, undefined]);
});

Deno.test("an image that is too large for the device fails alone: the model stays loaded", async () => {
  assertEquals(
    await failingOnce(
      new BackendUnavailableError("backend-capacity", "webgpu", "an image does not fit"),
    ),
    { statuses: [500, 200, 200], loads: 1 },
  );
});

Deno.test("a failure inside is a 500 that tells the client nothing and the log everything", async () => {
  const lines: string[] = [];
  const classifier = standIn(() => Promise.reject(new Error("secret path /etc/key")));
  const service = testService({
    classifier,
    logLevel: "error",
    writeLog: (line) => lines.push(line),
  });
  const response = await service.fetch(
    post("/classify", new Uint8Array([1]), { "x-request-id": "r1" }),
  );
  const problem = await problemOf(response);
  assertEquals([problem.status, problem.code], [500, "internal"]);
  assert(!problem.detail.includes("secret"));
  assertStringIncludes(lines.join("\n"), "secret path /etc/key");
  assertEquals(JSON.parse(lines[0]).requestId, "r1");
});

Deno.test("the server's failure at one image of a list fails the request", async () => {
  const classifier = standIn((images) =>
    images.includes(0)
      ? Promise.reject(new Error("no such image"))
      : Promise.resolve(images.map(() => 0.5))
  );
  const service = testService({ classifier, maxBatch: 1 });
  const statusOf = async (first: readonly number[]): Promise<number> => {
    const inputs = first.map((byte) => Uint8Array.of(byte).toBase64());
    const response = await service.fetch(postJson("/classify", { inputs }));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await statusOf([1, 2]), await statusOf([1, 0])], [200, 500]);
});

/** A body of which a part is sent, and no more; `taken` once the service has it. */
function stalledBody(bytes: number): { body: ReadableStream<Uint8Array>; taken: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let pulls = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (pulls++ === 0) return controller.enqueue(new Uint8Array(bytes));
      resolve();
      return new Promise(() => {});
    },
  }, { highWaterMark: 0 });
  return { body, taken: promise };
}

Deno.test("bodies that arrive slowly take nobody's place", async () => {
  const service = testService({ maxQueue: 2, maxImages: 2, bodyTimeoutMs: 1000 });
  const stalled = Array.from({ length: 5 }, () => stalledBody(1));
  const slow = stalled.map(({ body }) => service.fetch(post("/classify", body)));
  await Promise.all(stalled.map(({ taken }) => taken));
  assertEquals((await (await service.fetch(post("/classify", CAT))).json())[0].label, "cat");
  for (const response of slow) assertEquals((await problemOf(await response)).code, "body-timeout");
});

Deno.test("of bodies that are more than maxArrivingBytes together, the slowest are given up", async () => {
  const most = 2 * CAT.length;
  const service = testService({ maxBodyBytes: most, maxArrivingBytes: 1, bodyTimeoutMs: 1000 });
  const first = stalledBody(most / 2), second = stalledBody(most / 2 + 1);
  const slowest = service.fetch(post("/classify", first.body));
  await first.taken;
  const other = service.fetch(post("/classify", second.body));
  const givenUp = await slowest, problem = await problemOf(givenUp);
  assertEquals([problem.status, problem.code], [429, "overloaded"]);
  assertEquals(givenUp.headers.get("retry-after"), "1");
  assertStringIncludes(problem.detail, `More than ${most} bytes are arriving`);
  assertEquals((await (await service.fetch(post("/classify", CAT))).json())[0].label, "cat");
  // With that the other was one byte too many, and slower.
  assertEquals((await problemOf(await other)).code, "overloaded");
});
