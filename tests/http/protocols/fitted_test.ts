/** A service on a model that `fit` made: its head sees what several layers say, in several sizes. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { loadClassifier } from "../../../lib/classifier.ts";
import { fuse } from "../../../lib/compose/fuse.ts";
import { fittedModel } from "../../support/fitted.ts";
import { CAT, get, post, postJson, testService } from "../../support/http_service.ts";

const load = async (model: Uint8Array) =>
  await loadClassifier({ model, backend: "wasm", threads: 1 });
const classifier = await load(await fittedModel({ id: "pets", sides: [32, 64], mirror: "on" }));
const service = testService({ classifier });

Deno.test("/classify, /embed and /explain give what the library does", async () => {
  const predictions = await (await service.fetch(post("/classify", CAT))).json();
  assertEquals(predictions, await classifier.classify(CAT));
  for (const layer of ["search", "pool4"] as const) {
    const { data } = await (await service.fetch(post(`/embed?layer=${layer}`, CAT))).json();
    assertEquals(Float32Array.from(data), (await classifier.embed(CAT, { layer })).data);
  }
  for (const label of ["cat", "dog"]) {
    const request = post(`/explain?label=${label}`, CAT, { accept: "application/json" });
    const { map, score } = await (await service.fetch(request)).json();
    const expected = await classifier.explain(CAT, { label });
    assertEquals(score, expected.score);
    assertEquals(map.flat(), [...expected.map]);
  }
});

Deno.test("what it cannot do is refused", async () => {
  for (
    const [path, message] of [
      ["/classify?crops=ten", "several sizes"],
      ["/classify?scales=64", "several sizes"],
      ["/explain?scale=64", "several sizes"],
      ["/explain?scale=64&method=score-map", "grad-cam"],
      ["/embed?layer=prob", "pool5"],
      ["/embed?layer=fc7", "pool5"],
    ] as const
  ) {
    const response = await service.fetch(post(path, CAT));
    const { code, detail } = await response.json();
    assertEquals([response.status, code], [422, "bad-option"], path);
    assertStringIncludes(detail, message);
  }
});

Deno.test("each look counts among what the network looks at, and the usual ones may always be", async () => {
  const status = async (path: string, maxViewPixels: number) => {
    const response = await testService({ classifier, maxViewPixels }).fetch(post(path, CAT));
    await response.body?.cancel();
    return response.status;
  };
  for (const path of ["/classify", "/classify?flip=false", "/embed", "/explain"]) {
    assertEquals(await status(path, 1), 200, path);
  }
  // Of one that looks at no mirror images, unless it is asked to.
  await using plain = await load(await fittedModel({ sides: [32, 64], mirror: "off" }));
  const pixels = 2 * (32 ** 2 + 64 ** 2);
  const answer = async (maxViewPixels: number) =>
    await testService({ classifier: plain, maxViewPixels })
      .fetch(post("/classify?flip=true", CAT));
  assertEquals((await (await answer(pixels)).json()).length, 2);
  assertStringIncludes((await (await answer(pixels - 1)).json()).detail, `found ${pixels}`);
});

Deno.test("both other protocols give its scores, and no other function's", async () => {
  const [best, other] = await classifier.classify(CAT);
  const inputs = CAT.toBase64();
  const ask = async (function_to_apply?: string) =>
    await service.fetch(postJson("/", { inputs, parameters: { function_to_apply } }));
  for (const apply of [undefined, "softmax"]) {
    assertEquals(
      await (await ask(apply)).json(),
      [best, other].map((one) => ({ label: one!.label, score: one!.score })),
    );
  }
  for (const apply of ["none", "sigmoid"]) {
    const response = await ask(apply);
    assertEquals(response.status, 501, apply);
    assertStringIncludes((await response.json()).error, "scores alone");
  }
  const metadata = await (await service.fetch(get("/v2/models/pets"))).json();
  assertEquals(metadata.parameters, { head: "softmax", multi_label: false });
  const tensors = [{ name: "image", datatype: "BYTES", shape: [1], data: [inputs] }];
  const { outputs } = await (await service.fetch(
    postJson("/v2/models/pets/infer", { inputs: tensors, parameters: { top_k: 1 } }),
  )).json();
  assertEquals(outputs.map(({ data }: { data: unknown }) => data), [
    [best.label],
    [best.score],
    [best.index],
  ]);
});

Deno.test("fitted models of the same labels are one by fuse, and served", async () => {
  await using other = await load(await fittedModel({ head: "nearest", mirror: "off" }));
  const both = fuse([classifier, other]);
  const [a, b, mean] = [
    await classifier.scores(CAT),
    await other.scores(CAT),
    await both.scores(CAT),
  ];
  assertEquals([...mean], [...a].map((score, c) => (score + b[c]!) / 2));
  const service = testService({ classifier: both, maxViewPixels: 1 });
  const predictions = await (await service.fetch(post("/classify", CAT))).json();
  assertEquals(predictions, await both.classify(CAT));
  assert(predictions.length === 2);
});
