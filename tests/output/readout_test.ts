/** A model whose head sees what several layers say: from the file to the scores, on both engines. */

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { type Classifier, loadClassifier } from "../../lib/classifier.ts";
import { CheckpointFormatError } from "../../lib/errors.ts";
import type { Pixels } from "../../lib/image/image.ts";
import { mirror, type ViewOptions } from "../../lib/input/views.ts";
import { cropImage } from "../../lib/image/resize.ts";
import { BytesSource } from "../../lib/io/byte_source.ts";
import { parseModelDocument } from "../../lib/model/document.ts";
import { openModel } from "../../lib/model/file.ts";
import type { Model } from "../../lib/model/model.ts";
import {
  featureLength,
  type FeatureRecipe,
  type Readout,
  type ReadoutDescription,
} from "../../lib/model/readout.ts";
import { readSafetensorsHeader } from "../../lib/model/safetensors.ts";
import { modelBytes } from "../support/model_bytes.ts";
import { random, randomModel } from "../support/random_model.ts";
import { gpuTest } from "../support/webgpu.ts";

const NETWORK = {
  configuration: "A",
  input: { height: 64, width: 64, channels: 3 },
  convolutions: [4, 8, 8, 8, 8, 16, 16, 16],
  dense: [],
} as const;
const LABELS = ["bee", "ant", "wasp"];
const PLAIN: FeatureRecipe = {
  sizes: [[64, 64]],
  blocks: [{ layer: "pool4", pooling: "avg" }, { layer: "pool5", pooling: "avg" }],
  mirrored: false,
};

/** A model with a random head on some features. */
function readoutModel(features: FeatureRecipe, hidden?: number): Model {
  const { model } = randomModel(NETWORK, 5), next = random(6);
  const sizes = [featureLength(features, NETWORK), ...hidden ? [hidden] : [], LABELS.length];
  const values = (length: number) => Float32Array.from({ length }, () => next() - 0.5);
  const layers = sizes.slice(1).map((outputs, n) => ({
    weight: values(outputs * sizes[n]!),
    bias: values(outputs),
  }));
  return {
    ...model,
    labels: LABELS,
    temperature: 0.5,
    readout: { features, head: { kind: "dense", layers } },
  };
}

/** A picture without a mirror axis. */
const PICTURE: Pixels = {
  width: 96,
  height: 80,
  data: Uint8Array.from({ length: 96 * 80 * 3 }, (_, i) => (i * 7 + (i >> 5) * 13) % 256),
};
const mirrored = (pixels: Pixels): Pixels => ({ ...pixels, data: mirror(pixels) });

const loaded = async (model: Model): Promise<Classifier> =>
  await loadClassifier({ model: await modelBytes(model), backend: "wasm" });

/** The scores from the definition: soft-max of what a dense layer makes of the roots of the features. */
function expected(rows: readonly number[][], { readout, temperature = 1 }: Model): number[] {
  const { layers } = readout!.head as Extract<Readout["head"], { kind: "dense" }>;
  const mean = rows[0]!.map((_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);
  let values = mean.map((value) => Math.sqrt(Math.max(0, value)));
  layers.forEach(({ weight, bias }, n) => {
    values = Array.from(bias, (b, o) => {
      const sum = values.reduce((sum, value, i) => sum + value * weight[o * values.length + i]!, b);
      return n < layers.length - 1 ? Math.max(0, sum) : sum;
    });
  });
  const powers = values.map((logit) => Math.exp(logit / temperature));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

function assertNear(found: ArrayLike<number>, want: readonly number[]): void {
  assertEquals(found.length, want.length);
  want.forEach((score, c) => assertAlmostEquals(found[c]!, score, 1e-6));
}

/** What the layers of {@linkcode PLAIN} say on average. */
async function rowOf(classifier: Classifier, image: Pixels): Promise<number[]> {
  const pool4 = await classifier.embed(image, { layer: "pool4", pooling: "avg" });
  const pool5 = await classifier.embed(image, { layer: "pool5", pooling: "avg" });
  return [...pool4.data, ...pool5.data];
}

Deno.test("a head on averages of two layers gives what its definition says", async () => {
  for (const hidden of [undefined, 7]) {
    const model = readoutModel(PLAIN, hidden);
    await using classifier = await loaded(model);
    assertNear(
      await classifier.scores(PICTURE),
      expected([await rowOf(classifier, PICTURE)], model),
    );
    assertEquals(classifier.info.classes.map(({ label }) => label), LABELS);
    assert(classifier.info.layers.every(({ name }) => name !== "prob"));
  }
});

Deno.test("features are averaged over an image and its mirror image, or not, as flip says", async () => {
  const model = readoutModel({ ...PLAIN, mirrored: true });
  await using classifier = await loaded(model);
  const own = await rowOf(classifier, PICTURE), other = await rowOf(classifier, mirrored(PICTURE));
  assertNear(await classifier.scores(PICTURE), expected([own, other], model));
  assertEquals(await classifier.scores(mirrored(PICTURE)), await classifier.scores(PICTURE));
  assertNear(await classifier.scores(PICTURE, { flip: false }), expected([own], model));
});

Deno.test("a recipe of several sizes looks at an image in each of them", async () => {
  const model = readoutModel({ ...PLAIN, sizes: [[64, 64], [96, 96]] });
  await using classifier = await loaded(model);
  const large = { ...NETWORK, input: { ...NETWORK.input, height: 96, width: 96 } };
  await using other = await loaded({
    ...randomModel(NETWORK, 5).model,
    architecture: large,
    preprocessing: { ...model.preprocessing, size: 96 },
  });
  const row = [...await rowOf(classifier, PICTURE), ...await rowOf(other, PICTURE)];
  assertNear(await classifier.scores(PICTURE), expected([row], model));
  for (const options of [{ crops: "ten" }, { scales: [70] }] as ViewOptions[]) {
    await assertRejects(() => classifier.scores(PICTURE, options), RangeError, "several sizes");
  }
});

Deno.test("of several crops the scores are averaged, as for any other head", async () => {
  const model = readoutModel(PLAIN), options = { crops: "ten", flip: false, scales: [64] } as const;
  await using classifier = await loaded(model);
  const square = cropImage(PICTURE, { left: 0, top: 0, width: 80, height: 80 });
  const [plain, ten] = [await classifier.scores(square), await classifier.scores(square, options)];
  assertNear(ten, [...plain]); // The five places of a square of the input's size are one.
  const wide = await classifier.scores(PICTURE, options);
  assertNotEquals(wide, await classifier.scores(PICTURE));
  assertAlmostEquals(wide.reduce((a, b) => a + b), 1, 1e-12);
});

Deno.test("pooling by quarters and without any gives a feature for each", async () => {
  const blocks = [{ layer: "pool4", pooling: "quarters" }, {
    layer: "pool5",
    pooling: "none",
  }] as const;
  const model = readoutModel({ ...PLAIN, blocks });
  await using classifier = await loaded(model);
  const pool4 = await classifier.embed(PICTURE, { layer: "pool4" }); // 4x4 positions
  const pool5 = await classifier.embed(PICTURE, { layer: "pool5" });
  const at = (y: number, x: number, c: number) => pool4.data[(y * 4 + x) * 16 + c]!;
  const quarters = [0, 2].flatMap((y) =>
    [0, 2].flatMap((x) =>
      Array.from(
        { length: 16 },
        (_, c) => (at(y, x, c) + at(y, x + 1, c) + at(y + 1, x, c) + at(y + 1, x + 1, c)) / 4,
      )
    )
  );
  assertEquals(featureLength({ ...PLAIN, blocks }, NETWORK), 4 * 16 + 4 * 16);
  assertNear(await classifier.scores(PICTURE), expected([[...quarters, ...pool5.data]], model));
});

Deno.test("what is prepared gives what the image gives, also to embed and explain", async () => {
  await using classifier = await loaded(
    readoutModel({ ...PLAIN, mirrored: true, sizes: [[64, 64], [96, 96]] }),
  );
  const prepared = await classifier.prepare(PICTURE);
  assertEquals(prepared.views, 4);
  assertEquals(await classifier.scores(prepared), await classifier.scores(PICTURE));
  for (const layer of ["pool5", "conv3_1"] as const) {
    assertEquals(
      await classifier.embed(prepared, { layer }),
      await classifier.embed(PICTURE, { layer }),
    );
  }
  const [own, other] = [await classifier.explain(prepared), await classifier.explain(PICTURE)];
  assertEquals([own.map, own.score, own.index], [other.map, other.score, other.index]);
  await using another = await loaded(readoutModel(PLAIN));
  await assertRejects(() => another.scores(prepared), RangeError, "prepared for the model");
});

Deno.test("an explanation has the score of the class, and a map on the finest layer", async () => {
  const model = readoutModel({ ...PLAIN, mirrored: true });
  await using classifier = await loaded(model);
  const scores = await classifier.scores(PICTURE);
  const { map, width, height, score, label, index } = await classifier.explain(PICTURE);
  assertEquals([width, height, map.length], [4, 4, 16]);
  assertEquals(score, Math.max(...scores));
  assertEquals([label, scores[index]], [LABELS[index], score]);
  assert(map.every((value) => value >= 0) && map.some((value) => value > 0));
  const larger = await classifier.explain(PICTURE, { scale: 128, label: "wasp" });
  assertEquals([larger.label, larger.height], ["wasp", 8]);
  await assertRejects(
    () => classifier.explain(PICTURE, { scale: 128, method: "score-map" }),
    RangeError,
    "grad-cam",
  );
});

Deno.test("a model file gives back the readout with which it was written", async () => {
  const model = readoutModel({ ...PLAIN, mirrored: true }, 6);
  const read = await openModel(await modelBytes(model));
  assertEquals(read.readout, model.readout);
  assertEquals([read.labels, read.temperature], [model.labels, model.temperature]);
});

Deno.test("a document that says something impossible of a readout is refused", async () => {
  const dense = (units: number[]) => ({ kind: "dense", units }) as const;
  const cases: [Partial<Record<keyof ReadoutDescription, unknown>>, string][] = [
    [{ features: { ...PLAIN, sizes: [] } }, "readout.features.sizes"],
    [{ features: { ...PLAIN, sizes: [[32, 32]] } }, "which is the input, 64x64"],
    [{ features: { ...PLAIN, sizes: [[64, 64], [64, 48]] } }, "readout.features.sizes"],
    [{ features: { ...PLAIN, blocks: [] } }, "readout.features.blocks"],
    [
      { features: { ...PLAIN, blocks: [{ layer: "fc7", pooling: "avg" }] } },
      "layers of the network",
    ],
    [{ features: { ...PLAIN, blocks: [{ layer: "pool5", pooling: "all" }] } }, "with a pooling"],
    [{ features: { ...PLAIN, blocks: [PLAIN.blocks[0], PLAIN.blocks[0]] } }, "different layers"],
    [{ features: { ...PLAIN, mirrored: 1 } }, "readout.features.mirrored"],
    [{ head: dense([4]) }, "readout.head.units"],
    [{ head: dense([]) }, "readout.head.units"],
    [{ head: { kind: "tree" } }, "readout.head.kind"],
    [{ head: { kind: "nearest", examples: 0 } }, "must be a count from 1 to"],
  ];
  const bytes = await modelBytes(readoutModel(PLAIN));
  const { metadata } = await readSafetensorsHeader(new BytesSource(bytes));
  const document = JSON.parse(metadata.model!), { readout } = document;
  assertEquals(parseModelDocument(JSON.stringify(document), "m").readout, readout);
  for (const [change, message] of cases) {
    const json = JSON.stringify({ ...document, readout: { ...readout, ...change } });
    assertThrows(() => parseModelDocument(json, "m"), CheckpointFormatError, message);
  }
  const old = JSON.stringify({ ...document, version: 2 });
  assertThrows(() => parseModelDocument(old, "m"), CheckpointFormatError, "version must be 3");
});

gpuTest("both engines give the same bits", async () => {
  const features = { ...PLAIN, mirrored: true, sizes: [[64, 64], [96, 96]] } as const;
  const model = await modelBytes(readoutModel(features)), images = [PICTURE, mirrored(PICTURE)];
  await using wasm = await loadClassifier({ model, backend: "wasm" });
  await using webgpu = await loadClassifier({ model, backend: "webgpu" });
  assertEquals(await webgpu.scores(images), await wasm.scores(images));
  assertEquals((await webgpu.explain(PICTURE)).map, (await wasm.explain(PICTURE)).map);
  assertEquals(await webgpu.embed(images), await wasm.embed(images));
});
