import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { classifierOn, loadClassifier } from "../../lib/classifier.ts";
import { layerDistance, similarity } from "../../lib/output/embedding.ts";
import { mirror, viewsOf } from "../../lib/input/views.ts";
import { type Architecture, layerInfos, type LayerName } from "../../lib/model/architecture.ts";
import { readImage } from "../../lib/image/read.ts";
import { createEngine } from "../../lib/engine/create.ts";
import { randomModel } from "../support/random_model.ts";
import { floatEngine } from "../support/float_engine.ts";
import { smallVgg } from "../support/small_vgg.ts";
import { gpuTest } from "../support/webgpu.ts";

const PHOTO = new URL("../data/photos/cat.png", import.meta.url);
const { model, weights, expected } = await smallVgg();
const classifier = classifierOn(model, floatEngine(model, weights));

/** Relative: the values are float32. */
const TOLERANCE = 1e-5;

function assertClose(found: ArrayLike<number>, want: readonly number[], what: string): void {
  const largest = Math.max(...want.map(Math.abs), 1e-6);
  want.forEach((value, i) => {
    const off = Math.abs(found[i] - value) / largest;
    assert(off < TOLERANCE, `${what}[${i}]: expected ${value}, found ${found[i]}`);
  });
}

for (const layer of Object.keys(expected.embeddings) as LayerName[]) {
  Deno.test(`embed() gives PyTorch's activations of ${layer}`, async () => {
    const want = expected.embeddings[layer];
    const all = await classifier.embed(PHOTO, { layer });
    const isVector = want.shape[0] * want.shape[1] === 1;
    assertEquals(all.shape, isVector ? want.shape.slice(2) : want.shape);
    assertClose(all.data, want.first, layer);
    assertClose([all.data.reduce((sum, v) => sum + v, 0)], [want.sum], "sum");
    const max = await classifier.embed(PHOTO, { layer, pooling: "max" });
    assertClose(max.data, want.max, "max");
    const [avg] = await classifier.embed([PHOTO], { layer, pooling: "avg" });
    assertClose(avg.data, want.avg, "avg");
    assertEquals(avg.shape, want.shape.slice(2));
  });
}

Deno.test("embed() knows every layer of the paper's configuration, and prob", async () => {
  const names = layerInfos(model.architecture).map(({ name }) => name);
  assertEquals(names.length, 8 + 5 + 3 + 1);
  const prob = await classifier.embed(PHOTO, { layer: "prob" });
  assertClose(prob.data, expected.views.center, "prob");
  await assertRejects(
    () => classifier.embed(PHOTO, { layer: "conv9" as LayerName }),
    RangeError,
    "conv1_1",
  );
  await assertRejects(() => classifier.embed(PHOTO, { layer: "conv5_4" }), RangeError, "conv1_1");
});

Deno.test("embed() by default gives the scores and the strongest of pool5, as one of length 1", async () => {
  const { layer, data, shape } = await classifier.embed(PHOTO);
  const scores = await classifier.scores(PHOTO);
  const look = await classifier.embed(PHOTO, { layer: "pool5", pooling: "max", normalize: true });
  assertEquals([layer, shape], ["search", [scores.length + look.data.length]]);
  assertClose(
    data.subarray(0, scores.length),
    Array.from(scores, (score) => 0.6 * score),
    "scores",
  );
  const rest = Math.sqrt(1 - scores.reduce((sum, score) => sum + 0.36 * score * score, 0));
  assertClose(data.subarray(scores.length), Array.from(look.data, (value) => rest * value), "look");
  assertAlmostEquals(Math.hypot(...data), 1, 1e-6);
  assertEquals(classifier.info.layers.at(-1), { name: "search", shape });
  for (
    const wrong of [{ pooling: "avg" }, { normalize: false }, {
      layer: "search",
      pooling: "max",
    }] as const
  ) {
    await assertRejects(() => classifier.embed(PHOTO, wrong), RangeError, '"search" is pooled');
  }
});

Deno.test("embed() gives the look alone where no layer gives scores that add up to 1", async () => {
  const { model, weights } = randomModel({
    configuration: "A",
    input: { height: 64, width: 64, channels: 3 },
    convolutions: [4, 8, 8, 8, 8, 8, 8, 12],
    dense: [3],
    head: "sigmoid",
  });
  await using multiLabel = classifierOn(model, floatEngine(model, weights));
  const { data } = await multiLabel.embed(PHOTO);
  const look = await multiLabel.embed(PHOTO, { layer: "pool5", pooling: "max", normalize: true });
  assertEquals(data, look.data);
});

/** Models with and without scores of their own, on inputs of 64 pixels. */
const KINDS: Readonly<Record<string, Partial<Architecture>>> = {
  "a soft-max": { dense: [6, 3] },
  "sigmoids": { dense: [3], head: "sigmoid" },
  "features only": { dense: [] },
};

for (const [kind, own] of Object.entries(KINDS)) {
  const { model } = randomModel({
    configuration: "A",
    input: { height: 64, width: 64, channels: 3 },
    convolutions: [4, 8, 8, 8, 8, 8, 8, 12],
    dense: [],
    ...own,
  }, 4);

  Deno.test(`embed() by default gives of what was prepared what it gives of the image: ${kind}`, async () => {
    await using classifier = await loadClassifier({ model, backend: "wasm" });
    const usual = await classifier.embed(PHOTO);
    assertEquals(await classifier.embed(await classifier.prepare(PHOTO)), usual);
    assertEquals(await classifier.embed([PHOTO, PHOTO]), [usual, usual]);
    assertEquals(await classifier.embed(PHOTO, { layer: "search", normalize: true }), usual);
    assertAlmostEquals(Math.hypot(...usual.data), 1, 1e-6);
    const views = { crops: "ten", scales: [64, 80] } as const;
    const several = await classifier.embed(await classifier.prepare(PHOTO, views));
    assertAlmostEquals(Math.hypot(...several.data), 1, 1e-6);
    assertEquals(several.shape, usual.shape);
  });

  gpuTest(`embed() by default gives the same bits on both engines: ${kind}`, async () => {
    await using wasm = await loadClassifier({ model, backend: "wasm" });
    await using webgpu = await loadClassifier({ model, backend: "webgpu" });
    assertEquals(await webgpu.embed(PHOTO), await wasm.embed(PHOTO));
  });
}

for (const dense of [[4], []]) {
  Deno.test(`embed() gives the average of a network with ${dense.length} dense layers`, async () => {
    const { model, weights } = randomModel({
      configuration: "A",
      input: { height: 64, width: 96, channels: 3 },
      convolutions: [4, 8, 8, 8, 8, 8, 8, 12],
      pooling: "average",
      dense,
    });
    await using float = classifierOn(model, floatEngine(model, weights));
    const average = await float.embed(PHOTO, { layer: "average" });
    assertEquals([average.layer, average.shape], ["average", [12]]);
    const positions = await float.embed(PHOTO, { layer: "pool5", pooling: "avg" });
    assertClose(average.data, [...positions.data], "average");

    await using int8 = classifierOn(model, await createEngine(model, { backend: "wasm" }));
    const sums = await int8.embed(PHOTO, { layer: "average" }),
      map = await int8.embed(PHOTO, { layer: "pool5" });
    const wanted = await int8.embed(PHOTO, { layer: "pool5", pooling: "avg" });
    // Each position is rounded to 127 steps of the largest.
    const half = Math.max(...map.data) / 254 * (1 + 1e-6);
    wanted.data.forEach((value, c) => assertAlmostEquals(sums.data[c], value, half));
  });
}

Deno.test("embed() with normalize gives a vector of length 1", async () => {
  const { data } = await classifier.embed(PHOTO, { layer: "fc6", normalize: true });
  assertAlmostEquals(data.reduce((sum, v) => sum + v * v, 0), 1, 1e-6);
});

Deno.test("distance() is PyTorch's, 0 for the same image, and the same both ways", async () => {
  const [{ data, height, width }] = viewsOf(await readImage(PHOTO), model);
  const image = { data, height, width };
  const flipped = { data: mirror(image), height, width };
  assertAlmostEquals(await classifier.distance(image, flipped), expected.distance, 1e-5);
  assertAlmostEquals(await classifier.distance(flipped, image), expected.distance, 1e-5);
  assertAlmostEquals(await classifier.distance(image, image), 0, 1e-12);
});

Deno.test("similarity() is the cosine", () => {
  assertEquals(similarity([1, 2, 3], [2, 4, 6]), 1);
  assertEquals(similarity([1, 0], [-1, 0]), -1);
  assertEquals(similarity([0, 0], [1, 0]), 0);
  assertThrows(() => similarity([1], [1, 2]), RangeError);
});

Deno.test("layerDistance() refuses layers of different shape", () => {
  const a = { layer: "fc7", data: new Float32Array(2), shape: [2] } as const;
  assertThrows(() => layerDistance(a, { ...a, shape: [1, 1, 2] }), RangeError);
});
