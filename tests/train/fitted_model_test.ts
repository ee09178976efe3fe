/** What a fitted model says of a picture, held against the features that it learned from. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { loadClassifier } from "../../lib/classifier.ts";
import type { Backend } from "../../lib/engine/engine.ts";
import type { ImageInput, Pixels } from "../../lib/image/image.ts";
import { prepareInput } from "../../lib/input/prepare.ts";
import { openModel } from "../../lib/model/file.ts";
import type { Model, Preprocessing } from "../../lib/model/model.ts";
import { featureLength } from "../../lib/model/readout.ts";
import { headScores } from "../../lib/output/predictions.ts";
import { readoutLogits } from "../../lib/output/readout.ts";
import { FeatureFile } from "../../lib/train/feature_file.ts";
import { fit, type FitOptions } from "../../lib/train/fit.ts";
import { pictureKey } from "../../lib/train/keys.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { catsAndDogs, fittedModel, pictureOf } from "../support/fitted.ts";
import { random, randomModel } from "../support/random_model.ts";
import { gpuTest } from "../support/webgpu.ts";

/** Fits on eight cats and dogs, and holds all scores of them against the head on the rows that were kept. */
async function assertOwnScores(
  options: FitOptions,
  backend: Backend,
  data: { labels: string[]; samples: { file: string; label: number; image: ImageInput }[] } =
    catsAndDogs(8),
): Promise<Model> {
  const directory = await Deno.makeTempDir();
  try {
    const { bytes } = await fit(data, {
      ...{ model: CIFAR10, backend, directory, head: "linear", ...options },
      out: undefined,
    });
    const model = await openModel(bytes), readout = model.readout!;
    const [name] = [...Deno.readDirSync(directory)].map(({ name }) => name)
      .filter((name) => name.endsWith(".bin"));
    const length = featureLength(readout.features, model.architecture);
    using file = new FeatureFile(directory, /-(\w+)/.exec(name!)![1]!, length);
    const kept = await file.load(await Promise.all(data.samples.map(pictureKey)));
    await using classifier = await loadClassifier({ model: bytes, backend });
    const found = await classifier.scores(data.samples.map(({ image }) => image));
    const { labels, temperature } = model;
    data.samples.forEach((_, n) => {
      const known = kept[n], row = new Float32Array(length);
      if (known === undefined || "reason" in known) throw new Error("It is not kept");
      file.read(known.row, row);
      const logits = readoutLogits(readout, row, labels.length);
      assertEquals(found[n], headScores(logits, 1, { architecture: {}, temperature }));
    });
    return model;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const CASES: readonly FitOptions[] = [
  { layer: "conv1_1" },
  { layer: ["pool5", "conv4_2", "pool2"], sides: [64, 32], mirror: "on" },
  { layer: ["fc7", "pool5", "conv5_1"], mirror: "on" },
  { layer: "fc6", mirror: "off", hidden: 8, epochs: 3 },
  { layer: ["pool4", "pool5"], pooling: "quarters", head: "nearest" },
  { layer: "pool5", pooling: "none", sides: [48], mirror: "off", whitening: "none" },
  { sides: [32, 40, 64], mirror: "on" },
  { grayscale: true },
  { standardize: "image" },
];

for (const options of CASES) {
  Deno.test(`scores of what was learned from are those of its features: ${JSON.stringify(options)}`, async () => {
    const { features } = (await assertOwnScores(options, "wasm")).readout!;
    const { layer = ["pool4", "pool5"], sides = [32], mirror = "on", pooling = "avg" } = options;
    const names = typeof layer === "string" ? [layer] : layer;
    const order = ["conv1_1", "pool2", "conv4_2", "pool4", "conv5_1", "pool5", "fc6", "fc7"];
    assertEquals(features, {
      sizes: [...sides].sort((a, b) => a - b).map((side) => [side, side] as const),
      blocks: order.filter((name) => names.some((own) => own === name))
        .map((layer) => ({ layer: layer as "pool5", pooling })),
      mirrored: mirror === "on",
    });
  });
}

gpuTest("scores of what was learned from are those of its features on both engines", async () => {
  const own = { layer: ["fc7", "pool4"], mirror: "on" } as const;
  for (const options of [own, { sides: [32, 64], head: "nearest" } as const]) {
    const [wasm, webgpu] = [
      await assertOwnScores(options, "wasm"),
      await assertOwnScores(options, "webgpu"),
    ];
    assertEquals(webgpu.readout, wasm.readout);
  }
});

Deno.test("a base that averages its map can be read there, and beside other layers", async () => {
  const { model } = randomModel({
    ...{ configuration: "A", input: { height: 64, width: 64, channels: 3 }, pooling: "average" },
    ...{ convolutions: [4, 8, 8, 8, 8, 8, 8, 16], dense: [4] },
  }, 3);
  const { readout } = await assertOwnScores({ model, layer: ["average", "pool3"] }, "wasm");
  assertEquals(readout!.features.blocks.map(({ layer }) => layer), ["pool3", "average"]);
});

/** A network with random numbers, and another way to prepare images. */
function baseWith(
  preprocessing: Partial<Preprocessing>,
  { side = 32, channels = 3 }: { side?: number; channels?: 1 | 3 } = {},
): Model {
  const { model } = randomModel({
    ...{ configuration: "A", input: { height: side, width: side, channels } },
    ...{ convolutions: [8, 8, 8, 8, 8, 8, 8, 8], dense: [5] },
  }, 5);
  return { ...model, preprocessing: { ...model.preprocessing, ...preprocessing } };
}

Deno.test("of a base that resizes to more than it sees, sides are seen in the same proportion", async () => {
  const base = baseWith({ size: 256 }, { side: 224 });
  const usual = await assertOwnScores({ model: base }, "wasm");
  assertEquals([usual.architecture.input.height, usual.preprocessing.size], [224, 256]);
  const { architecture: { input }, preprocessing } = await assertOwnScores(
    { model: base, sides: [160, 224] },
    "wasm",
  );
  // 256 / 224 of 160 pixels, rounded up.
  assertEquals([input.height, input.width, preprocessing.size], [160, 160, 183]);
});

Deno.test("files that are decoded in parts of their size are seen as classify sees them", async () => {
  const samples = ["boats.jpg", "rocket.jpg", "cat.png", "coffee.png"].map((name, n) => ({
    ...{ file: name, label: n % 2, image: new URL(`../data/photos/${name}`, import.meta.url) },
  }));
  const data = { labels: ["a", "b"], samples };
  for (const sides of [undefined, [32, 96]]) await assertOwnScores({ sides }, "wasm", data);
});

Deno.test("a base that sees gray pictures can be fitted", async () => {
  const { architecture } = await assertOwnScores({ model: baseWith({}, { channels: 1 }) }, "wasm");
  assertEquals(architecture.input.channels, 1);
});

/** What a network sees of a picture: its mean and its deviation. */
function seen(image: Pixels, { preprocessing, architecture: { input } }: Model): [number, number] {
  const bytes = prepareInput(image, preprocessing, input), { scale, mean, std } = preprocessing;
  const values = Array.from(bytes, (byte, i) => (byte * scale - mean[i % 3]!) / std[i % 3]!);
  const average = values.reduce((a, b) => a + b) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - average) ** 2, 0);
  return [average, Math.sqrt(squares / values.length)];
}

for (
  const [name, preprocessing, deviation] of [
    // Bytes around 0, as Caffe's networks see them, of which photographs have a deviation of 57.
    ["Caffe's", { scale: 1, mean: [123.68, 116.779, 103.939], std: [1, 1, 1] }, 57],
    // Divided by that deviation, as torchvision's see them.
    ["torchvision's", {
      scale: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    }, 1],
  ] as const
) {
  Deno.test(`standardized pictures vary as photographs do for a base that sees ${name}`, async () => {
    const base = baseWith(preprocessing);
    const model = await openModel(await fittedModel({ model: base, standardize: "image" }));
    const usual = await openModel(await fittedModel({ model: base }));
    const dark = pictureOf(3, 0);
    const bright = { ...dark, data: dark.data.map((value) => 200 + value / 8) };
    for (const image of [dark, bright]) {
      const [mean, own] = seen(image, model);
      assert(Math.abs(mean) < 0.05 * deviation, `mean ${mean}`);
      assert(own > 0.9 * deviation && own < 1.1 * deviation, `deviation ${own}`);
    }
    const [, faint] = seen(bright, usual);
    assert(faint < 0.3 * deviation, `deviation ${faint} where nothing is removed`);
  });
}

Deno.test("what a base removes of each picture is not removed again", async () => {
  const base = baseWith({ standardize: "image", scale: 1 / 42, mean: [3, 3, 3], std: [1, 1, 1] });
  const own = await openModel(await fittedModel({ model: base, standardize: "image" }));
  assertEquals(own.preprocessing, base.preprocessing);
});

Deno.test("a side that is named twice is seen once", async () => {
  const { readout } = await assertOwnScores({ sides: [64, 32, 64] }, "wasm");
  assertEquals(readout!.features.sizes, [[32, 32], [64, 64]]);
});

Deno.test("a model that was fitted on gray pictures sees no colors, and another does", async () => {
  const image = pictureOf(1, 2), next = random(3);
  const gray = { ...image, data: new Uint8Array(image.data.length) };
  const colored = { ...image, data: new Uint8Array(image.data.length) };
  for (let i = 0; i < image.data.length; i += 3) {
    const value = 60 + Math.floor(next() * 100), red = Math.floor(next() * 40);
    gray.data.fill(value, i, i + 3);
    // Of the same luma (299 R + 587 G + 114 B), as near as bytes come.
    const green = Math.round((1000 * value - 299 * (value + red) - 114 * value) / 587);
    colored.data.set([value + red, green, value], i);
  }
  const distance = async (options: FitOptions): Promise<number> => {
    const model = await fittedModel(options);
    await using classifier = await loadClassifier({ model, backend: "wasm" });
    assertNotEquals(await classifier.scores(pictureOf(3, 20)), await classifier.scores(gray));
    return await classifier.distance(gray, colored);
  };
  const [without, others] = [await distance({ grayscale: true }), await distance({})];
  assert(without < others / 10, `${without}, with colors ${others}`);
});
