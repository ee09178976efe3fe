import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { createHandler } from "../../lib/http/service.ts";
import type { ImageClassifier } from "../../lib/classifier.ts";
import {
  BOATS,
  CAT,
  cifar10Classifier,
  get,
  post,
  postJson,
  standIn,
  testService,
} from "../support/http_service.ts";

const service = testService();
const classifier = await cifar10Classifier();
/** What the library says of the cat, to which the service is held. */
const CAT_SCORES = [...(await classifier.scores([CAT]))[0]];

Deno.test("POST /classify gives the library's own predictions for raw bytes of every media type", async () => {
  const types = [
    "",
    "image/png",
    "image/jpeg",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
  ];
  for (const type of types) {
    const request = post("/classify?topK=2", CAT, type === "" ? {} : { "content-type": type });
    const response = await service.fetch(request);
    assertEquals(response.status, 200, type);
    const predictions = await response.json();
    assertEquals(predictions.length, 2);
    assertEquals(predictions[0], { label: "cat", score: CAT_SCORES[3], index: 3 }, type);
  }
});

Deno.test("POST /classify reads base64, with and without a data URL's start, alone and in a list", async () => {
  for (const text of [CAT.toBase64(), `data:image/png;base64,${CAT.toBase64()}`]) {
    const response = await service.fetch(postJson("/classify", { inputs: text }));
    assertEquals((await response.json())[0].label, "cat");
  }
  const inputs = [CAT.toBase64(), BOATS.toBase64()];
  const list = await (await service.fetch(postJson("/classify?topK=1", { inputs }))).json();
  assertEquals(list.map((r: { predictions: { label: string }[] }) => r.predictions[0].label), [
    "cat",
    "ship",
  ]);
});

Deno.test("a service takes the formats of its setting, and answers 415 to others", async () => {
  const picky = testService({ formats: ["jpeg", "webp"] });
  assertEquals((await picky.fetch(post("/classify", BOATS))).status, 200);
  for (const path of ["/classify", "/explain"]) {
    const response = await picky.fetch(post(path, CAT));
    const { code, detail } = await response.json();
    assertEquals([response.status, code], [415, "image-format"], path);
    assertEquals(detail, "Expected jpeg or webp, found png, which is not taken here");
  }
});

Deno.test("a form with a bad file among good ones gives each its result or its error", async () => {
  const form = new FormData();
  form.append("a", new File([CAT], "cat.png"));
  form.append("b", new File(["not an image"], "note.txt"));
  form.append("c", new File([BOATS], "boats.jpg"));
  const results = await (await service.fetch(post("/classify?topK=1", form))).json();
  assertEquals(results.map((r: { file: string }) => r.file), ["cat.png", "note.txt", "boats.jpg"]);
  assertEquals(results[0].predictions[0].label, "cat");
  assertEquals([results[1].error.status, results[1].error.code], [415, "image-format"]);
  assertStringIncludes(results[1].error.detail, 'text that starts with "not an image"');
  assertEquals(results[2].predictions[0].label, "ship");
});

Deno.test("options are query parameters with the library's names and checks", async () => {
  const ask = async (query: string) => await service.fetch(post(`/classify?${query}`, CAT));
  const labels = async (query: string) =>
    (await (await ask(query)).json()).map((p: { label: string }) => p.label);
  assertEquals(await labels("scoreThreshold=0.5"), ["cat"]);
  assertEquals((await labels("allow=dog&allow=cat")).sort(), ["cat", "dog"]);
  assert(!(await labels("deny=cat&topK=9")).includes("cat"));
  assertEquals(await labels("allow=3&allow=5"), ["cat", "dog"]);
  for (const topK of [11, Infinity]) assertEquals((await labels(`topK=${topK}`)).length, 10);
  const views = { crops: "ten", scales: [36], flip: false } as const;
  const [ten] = await classifier.scores([CAT], views);
  const viewed = await (await ask("crops=ten&scales=36&flip=false&topK=1")).json();
  assertEquals(viewed[0].score, Math.max(...ten));
  for (
    const [query, message] of [
      ["topK=0", "topK must be an integer of at least 1, or Infinity for all: found 0"],
      ["topK=many", 'topK must be an integer of at least 1, or Infinity for all: found "many"'],
      ["topK=1&topK=2", "topK must be given once: found it 2 times"],
      ["topk=3", "There is no parameter topk: did you mean topK?"],
      ["allow=kat", 'did you mean "cat"'],
      ["allow=cat&deny=dog", "exclude each other"],
      ["allow=10", "expected 0 to 9"],
      ["scoreThreshold=2", "from 0 to 1"],
      ["scales=20", "scale"],
      ["scales=32,40,48,56", "scales must be at most 3 integers from 1 to 1024"],
      ["scales=32,40,1025", "scales must be at most 3 integers from 1 to 1024"],
      ["crops=round", "crops"],
    ]
  ) {
    const response = await ask(query);
    assertEquals(response.status, 422, query);
    const problem = await response.json();
    assertEquals(problem.code, "bad-option");
    assertStringIncludes(problem.detail, message);
  }
});

Deno.test("POST /embed gives a layer's values as the library does", async () => {
  const options = { layer: "pool4", pooling: "avg", normalize: true } as const;
  const [expected] = await classifier.embed([CAT], options);
  const response = await service.fetch(post("/embed?layer=pool4&pooling=avg&normalize=true", CAT));
  const { layer, shape, data } = await response.json();
  assertEquals([layer, shape], ["pool4", [...expected.shape]]);
  assertEquals(Float32Array.from(data), expected.data);
  const usual = await (await service.fetch(post("/embed", CAT))).json();
  const search = await classifier.embed(CAT);
  assertEquals([usual.layer, search.layer, usual.shape], ["search", "search", [...search.shape]]);
  assertEquals(Float32Array.from(usual.data), search.data);
  for (const query of ["pooling=avg", "layer=search&normalize=false"]) {
    const refused = await service.fetch(post(`/embed?${query}`, CAT));
    assertEquals([refused.status, (await refused.json()).code], [422, "bad-option"]);
  }
  const wrong = await service.fetch(post("/embed?layer=pool9", CAT));
  assertEquals(wrong.status, 422);
  await wrong.body?.cancel();
});

Deno.test("POST /embed refuses an answer that would be too long, and says what to do", async () => {
  const layer = { layer: "conv1_1", shape: [1], data: new Float32Array(2 ** 19 + 1) };
  const served = Object.assign(standIn(() => Promise.resolve([])), {
    info: classifier.info,
    embed: (images: readonly unknown[]) => Promise.resolve(images.map(() => layer)),
  } as unknown as ImageClassifier);
  const inputs = [CAT.toBase64(), CAT.toBase64()];
  const results = await (await testService({ classifier: served })
    .fetch(postJson("/embed?layer=conv1_1", { inputs }))).json();
  assertEquals(results.map((r: { error: { code: string } }) => r.error.code), [
    "bad-option",
    "bad-option",
  ]);
  assertStringIncludes(results[0].error.detail, "at most 1048576 values, found 1048578");
});

Deno.test("GET / is the page for a browser and JSON for a program", async () => {
  const page = await service.fetch(get("/", { accept: "text/html,*/*" }));
  assertMatch(page.headers.get("content-type")!, /^text\/html/);
  assertStringIncludes(await page.text(), "@edge/vgg16");
  const about = await service.fetch(get("/", { accept: "application/json" }));
  assertEquals((await about.json()).name, "@edge/vgg16");
});

Deno.test("the page may load and call its own service alone, and has no script or style but its own", async () => {
  const page = await service.fetch(get("/", { accept: "text/html" }));
  const [, style] = /<style>([^]*?)<\/style>/.exec(await page.text())!;
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style));
  const directives = page.headers.get("content-security-policy")!.split("; ");
  assertEquals(directives.toSorted(), [
    "base-uri 'none'",
    "connect-src 'self'",
    "default-src 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "img-src 'self' blob: data:",
    "media-src blob: mediastream:",
    "script-src 'self'",
    `style-src 'sha256-${new Uint8Array(hash).toBase64()}'`,
  ]);
  const script = await service.fetch(get("/page.js"));
  await script.body?.cancel();
  assertStringIncludes(script.headers.get("content-security-policy")!, "default-src 'none'");
});

Deno.test("unknown paths are 404 and other methods 405 with Allow", async () => {
  assertEquals((await service.fetch(get("/nothing"))).status, 404);
  const response = await service.fetch(get("/classify"));
  assertEquals([response.status, response.headers.get("allow")], [405, "POST"]);
});

Deno.test("a path whose %-escapes are no text is 400", async () => {
  for (const path of ["/v2/models/%E0%A4%A", "/v2/models/x/versions/%ff/ready"]) {
    const response = await service.fetch(get(path));
    const { code, detail } = await response.json();
    assertEquals([response.status, code], [400, "bad-request"], path);
    assertStringIncludes(detail, "The path is malformed: %");
  }
});

Deno.test("HEAD answers as GET without a body", async () => {
  const response = await service.fetch(new Request("http://host/livez", { method: "HEAD" }));
  assertEquals([response.status, await response.text()], [200, ""]);
});

Deno.test("what can be asked for again has a strong ETag, and the answer to a POST none", async () => {
  const tag = async (request: Request) => {
    const response = await service.fetch(request);
    await response.body?.cancel();
    return response.headers.get("etag");
  };
  const first = await tag(get("/"));
  assertMatch(first!, /^"[^"]+"$/);
  assertEquals(await tag(get("/")), first);
  assert(await tag(get("/v2")) !== first);
  assertEquals(await tag(post("/classify", CAT)), null);
});

Deno.test("a GET whose If-None-Match has the ETag is 304 without a body", async () => {
  const first = await service.fetch(get("/"));
  await first.body?.cancel();
  const etag = first.headers.get("etag")!;
  const second = await service.fetch(get("/", { "if-none-match": `"x", W/${etag}` }));
  assertEquals([second.status, await second.text(), second.headers.get("etag")], [304, "", etag]);
  const third = await service.fetch(get("/", { "if-none-match": '"x"' }));
  assertEquals(third.status, 200);
  await third.body?.cancel();
});

Deno.test("every response has security headers and a request id, the client's if it is harmless", async () => {
  const response = await service.fetch(get("/livez", { "x-request-id": "abc-1" }));
  assertEquals(response.headers.get("x-request-id"), "abc-1");
  assertEquals(response.headers.get("x-content-type-options"), "nosniff");
  const policy = "default-src 'none'; frame-ancestors 'none'";
  assertEquals(response.headers.get("content-security-policy"), policy);
  const odd = await service.fetch(get("/nothing", { "x-request-id": "a b<script>" }));
  assertMatch(odd.headers.get("x-request-id")!, /^[0-9a-f-]{36}$/);
});

Deno.test("createHandler is the service as a function, and checks its options at once", async () => {
  const handler = createHandler({ classifier, logLevel: "off" });
  assertEquals((await handler(get("/livez"))).status, 200);
  assertThrows(
    () => createHandler({ maxQueue: 0 }),
    RangeError,
    "maxQueue must be an integer from 1 to 65536: found 0",
  );
});
