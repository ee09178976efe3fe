/** All that show scores apply the model's temperature, and what shows none is as it was without. */

import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import { type Classifier, classifierOn, loadClassifier } from "../../lib/classifier.ts";
import { sharedClassifier } from "../../lib/compose/shared.ts";
import { fuse } from "../../lib/compose/fuse.ts";
import { evaluate } from "../../lib/evaluate/evaluate.ts";
import type { Pixels } from "../../lib/image/image.ts";
import { readImage } from "../../lib/image/read.ts";
import { mirror } from "../../lib/input/views.ts";
import type { Model } from "../../lib/model/model.ts";
import { floatEngine } from "../support/float_engine.ts";
import { CAT as FILE, post, postJson, testService } from "../support/http_service.ts";
import { modelBytes } from "../support/model_bytes.ts";
import { sigmoidVgg, smallVgg } from "../support/small_vgg.ts";
import { gpuTest } from "../support/webgpu.ts";

const CAT = new URL("../data/photos/cat.png", import.meta.url);
/** Low, as the small network is unsure of everything. */
const TEMPERATURE = 0.2;

type Vgg = Awaited<ReturnType<typeof smallVgg | typeof sigmoidVgg>>;

function classifierAt({ model, weights }: Vgg, changes: Partial<Model>): Classifier {
  return classifierOn({ ...model, ...changes }, floatEngine(model, weights));
}

/** What scores are, from the definition: of logits as float32 gives them. */
function expected(logits: Float32Array, model: Model, temperature: number): number[] {
  const powers = Array.from(logits, (logit) => Math.exp(logit / temperature));
  if (model.architecture.head !== "sigmoid") {
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  }
  const own = powers.map((power) => power / (1 + power));
  return own.length === 1 ? [1 - own[0]!, own[0]!] : own;
}

function assertNear(found: ArrayLike<number>, want: readonly number[]): void {
  assertEquals(found.length, want.length);
  want.forEach((score, c) => assertAlmostEquals(found[c]!, score, 1e-5));
}

const mean = (one: readonly number[], other: readonly number[]): number[] =>
  one.map((score, c) => (score + other[c]!) / 2);

const NETWORKS: Record<string, Vgg> = {
  "a soft-max": await smallVgg(),
  "a sigmoid of one logit": await sigmoidVgg(1),
  "a sigmoid of three logits": await sigmoidVgg(3),
};

for (const [head, vgg] of Object.entries(NETWORKS)) {
  const plain = classifierAt(vgg, {}), at = classifierAt(vgg, { temperature: TEMPERATURE });
  const logits = async (image: Pixels) => (await plain.embed(image, { layer: "fc8" })).data;
  const pixels = await readImage(CAT);
  const own = expected(await logits(pixels), vgg.model, TEMPERATURE);

  Deno.test(`scores are those of logits divided by the temperature: ${head}`, async () => {
    assertNear(await at.scores(CAT), own);
    assert(Math.abs((await plain.scores(CAT))[0]! - own[0]!) > 0.01, "the temperature is seen");
    const best = await at.classify(CAT);
    assertEquals(best.map(({ score }) => score), [...await at.scores(CAT)].sort((a, b) => b - a));
    assertEquals([plain.info.temperature, at.info.temperature], [undefined, TEMPERATURE]);
    assertEquals(Object.hasOwn(plain.info, "temperature"), false);
  });

  Deno.test(`each view's logits are divided, and the views averaged afterwards: ${head}`, async () => {
    const other = await logits({ ...pixels, data: mirror(pixels) });
    const both = mean(own, expected(other, vgg.model, TEMPERATURE));
    const flipped = await at.scores(CAT, { flip: true });
    assertNear(flipped, both);
    const late = expected(
      Float32Array.from(await logits(pixels), (logit, c) => (logit + other[c]!) / 2),
      vgg.model,
      TEMPERATURE,
    );
    assert(late.some((score, c) => Math.abs(score - both[c]!) > 1e-4), "the order is seen");
  });

  Deno.test(`prob has the temperature, the logits have none: ${head}`, async () => {
    const prob = await at.embed(CAT, { layer: "prob" });
    assertEquals(prob.data, Float32Array.from(await at.scores(CAT)));
    assertEquals(await at.embed(CAT, { layer: "fc8" }), await plain.embed(CAT, { layer: "fc8" }));
    const views = await at.prepare(CAT, { flip: true });
    const together = await at.embed(views, { layer: "prob" });
    assertNear(together.data, [...await at.scores(views)]);
  });

  Deno.test(`an explanation's score has the temperature, its map has none: ${head}`, async () => {
    const scores = await at.scores(CAT);
    for (const { label, index } of at.info.classes) {
      const found = await at.explain(CAT, { label });
      assertEquals(found.score, scores[index]);
      assertEquals(found.map, (await plain.explain(CAT, { label })).map);
    }
    const whole = { method: "score-map", scale: 64, label: at.info.classes[0]!.label } as const;
    const wide = await at.prepare(CAT, { crops: "dense", scales: [64] });
    const { data } = await at.embed(wide, { layer: "prob" });
    const first = data.filter((_, i) => i % own.length === 0);
    assertEquals((await at.explain(CAT, whole)).map, first);
  });

  Deno.test(`an evaluation counts scores at the temperature: ${head}`, async () => {
    const samples = [{ file: "cat.png", label: 1, image: pixels }];
    const { records: [record] } = await evaluate(at, samples);
    assertEquals(record!.score, (await at.scores(pixels))[1]);
  });

  Deno.test(`of an ensemble each member has its own temperature: ${head}`, async () => {
    const fused = fuse([plain, at]), one = await plain.scores(CAT), other = await at.scores(CAT);
    assertEquals([...await fused.scores(CAT)], mean([...one], [...other]));
    assertEquals(fused.info.temperature, undefined);
  });

  Deno.test(`the service gives scores at the temperature in each protocol: ${head}`, async () => {
    const service = testService({ classifier: at });
    const json = async (path: string, body: unknown) =>
      await (await service.fetch(postJson(path, body))).json();
    const scores = [...await at.scores(CAT)].sort((a, b) => b - a), inputs = FILE.toBase64();
    const isOf = (score: { score: number }) => score.score;
    const best = await (await service.fetch(post("/classify", FILE))).json();
    assertEquals(best.map(isOf), scores);
    assertEquals((await json("/", { inputs })).map(isOf), scores);
    const tensor = { name: "image", datatype: "BYTES", shape: [1], data: [inputs] };
    const { outputs } = await json(`/v2/models/${at.info.model}/infer`, { inputs: [tensor] });
    assertEquals(outputs[1].data, scores);
    const none = { inputs, parameters: { function_to_apply: "none" } };
    const raw = (await json("/", none)).map(isOf), [first] = await logits(pixels);
    assert(raw.includes(first), "logits as they are");
  });
}

Deno.test("a function that is not the model's own has its temperature too", async () => {
  const vgg = NETWORKS["a soft-max"]!, at = classifierAt(vgg, { temperature: TEMPERATURE });
  const service = testService({ classifier: at });
  const body = { inputs: FILE.toBase64(), parameters: { function_to_apply: "sigmoid" } };
  const found: { score: number }[] = await (await service.fetch(postJson("/", body))).json();
  const { data } = await at.embed(CAT, { layer: "fc8" });
  const want = Array.from(data, (logit) => 1 / (1 + Math.exp(-logit / TEMPERATURE)));
  assertNear(found.map(({ score }) => score), want.sort((a, b) => b - a));
});

const bytes = await modelBytes({ ...NETWORKS["a soft-max"]!.model, temperature: TEMPERATURE });

Deno.test("a model's file brings its temperature to the classifiers of all who share it", async () => {
  const options = { model: bytes, backend: "wasm", threads: 1 } as const;
  await using own = await loadClassifier(options);
  await using shared = await sharedClassifier(options);
  const scores = await own.scores(CAT);
  assertEquals(await shared.scores(CAT), scores);
  assertEquals(shared.info.temperature, TEMPERATURE);
  const { model } = NETWORKS["a soft-max"]!;
  await using plain = await loadClassifier({ ...options, model: await modelBytes(model) });
  const { data } = await own.embed(CAT, { layer: "fc8" });
  assertNear(scores, expected(data, model, TEMPERATURE));
  assertNear(await plain.scores(CAT), expected(data, model, 1));
  assertNotEquals(await plain.scores(CAT), scores);
});

Deno.test("a model's file brings the score from which on a prediction is sure", async () => {
  const { model } = NETWORKS["a soft-max"]!, options = { backend: "wasm", threads: 1 } as const;
  const [best = NaN] = [...await sureAt(undefined)].map(({ score }) => score);
  for (
    const [sureScore, isSure] of [[best, true], [Math.min(1, best * (1 + 1e-15)), false]] as const
  ) {
    const found = await sureAt(sureScore);
    assertEquals(found.map(({ sure }) => sure), [isSure, false, false, false, false]);
  }

  async function sureAt(sureScore: number | undefined) {
    const file = await modelBytes({ ...model, temperature: TEMPERATURE, sureScore });
    await using classifier = await loadClassifier({ model: file, ...options });
    assertEquals(classifier.info.sureScore, sureScore);
    return await classifier.classify(CAT);
  }
});

gpuTest("both engines give the same bits at a temperature", async () => {
  await using wasm = await loadClassifier({ model: bytes, backend: "wasm", threads: 1 });
  await using webgpu = await loadClassifier({ model: bytes, backend: "webgpu", tune: "off" });
  for (const views of [{}, { flip: true }, { crops: "dense", scales: [48] }] as const) {
    assertEquals(await webgpu.scores(CAT, views), await wasm.scores(CAT, views));
  }
});
