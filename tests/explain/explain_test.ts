import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { type Classifier, classifierOn } from "../../lib/classifier.ts";
import { similarity } from "../../lib/output/embedding.ts";
import { createEngine } from "../../lib/engine/create.ts";
import type { Batch, Engine } from "../../lib/engine/engine.ts";
import { viewsOf } from "../../lib/input/views.ts";
import { colorTable, levelOf } from "../../lib/report/color_map.ts";
import { drawExplanation, drawPredictions } from "../../lib/explain/draw.ts";
import { gradCam, gradCamLayers } from "../../lib/explain/grad_cam.ts";
import { readImage } from "../../lib/image/read.ts";
import type { Architecture } from "../../lib/model/architecture.ts";
import type { Model } from "../../lib/model/model.ts";
import { floatEngine, logitsFrom } from "../support/float_engine.ts";
import { randomBatch, randomModel } from "../support/random_model.ts";
import { sigmoidVgg, smallVgg } from "../support/small_vgg.ts";

const PHOTO = new URL("../data/photos/cat.png", import.meta.url);
const { model, weights, expected } = await smallVgg();
const image = await readImage(PHOTO);

/** A convolution's map of one image, for a class. */
async function mapOf(
  engine: Engine,
  model: Model,
  batch: Batch,
  index: number,
  layer: string,
): ReturnType<typeof gradCam> {
  const seen = await engine.runLayers(batch, gradCamLayers(model, layer));
  return await gradCam(model, batch, index, seen);
}

/** Our map and autograd's. */
async function maps(
  engine: Engine,
  want: typeof expected.gradCam[number],
): Promise<[found: Float64Array, want: number[]]> {
  const [view] = viewsOf(image, model, { crops: "dense", scales: [want.scale] });
  const batch: Batch = { ...view, count: 1 };
  const { data, height, width } = await mapOf(engine, model, batch, want.label, want.layer);
  assertEquals([height, width], want.shape);
  assert(Math.max(...want.cam) > 0, "a map of zeros would prove nothing");
  return [data, want.cam];
}

for (const want of expected.gradCam) {
  const name = `class ${want.label} at ${want.scale} pixels, ${want.layer}`;

  Deno.test(`gradCam() is autograd's on float activations: ${name}`, async () => {
    const [found, cam] = await maps(floatEngine(model, weights), want);
    const error = Math.max(...cam.map((value, i) => Math.abs(value - found[i]))) / Math.max(...cam);
    // Sums in float64 on both sides; the engine's activations pass through float32 once.
    assert(error < 1e-6, `off by ${error} of the maximum`);
  });

  // Three blocks down nobody asks, and too many units of so small a network change sides for int8.
  if (want.layer === "conv3_2") continue;
  Deno.test(`gradCam() on int8 activations points where autograd's does: ${name}`, async () => {
    await using engine = await createEngine(model, { backend: "wasm" });
    const cosine = similarity(...await maps(engine, want));
    console.log(`${name}: ${cosine.toFixed(4)}`);
    // Activations have 7 bits, and a unit near 0 may change sides of its ReLU.
    // Below block 5 there are its ReLUs and its pool as well.
    assert(cosine > (want.layer === "conv5_2" ? 0.98 : 0.95), `the cosine is ${cosine}`);
  });
}

Deno.test("explain() explains the predicted class, or the one that is asked for", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const [best] = await classifier.classify(PHOTO);
  const explanation = await classifier.explain(PHOTO);
  assertEquals([explanation.label, explanation.index], [best.label, best.index]);
  assertAlmostEquals(explanation.score, best.score, 1e-12);
  // The center of a photo of 451x300, cut out of it at 48x32.
  assertEquals([explanation.image.width, explanation.image.height], [301, 300]);
  assertEquals((await classifier.explain(PHOTO, { label: "d" })).index, 3);
  await assertRejects(() => classifier.explain(PHOTO, { label: "x" }), RangeError, "no label");
});

Deno.test("explain() looks at block 4 where block 5 has fewer than 4x4 positions", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const small = await classifier.explain(PHOTO);
  assertEquals([small.height, small.width, small.grid.step], [4, 4, [0.25, 0.25]]);
  assertEquals(small.grid.offset, [0.125, 0.125]);
  const large = await classifier.explain(PHOTO, { scale: 64 });
  assertEquals([large.height, large.width], [4, 6]);
  assertAlmostEquals(large.grid.step[1], 16 / 64, 1e-12);
});

Deno.test("explain() and distance() run the network once, and answer as if each layer had its own run", async () => {
  const { model } = randomModel({
    configuration: "B",
    input: { height: 32, width: 32, channels: 3 },
    convolutions: [8, 8, 16, 16, 16, 16, 24, 24, 32, 32],
    dense: [24, 16, 5],
  }, 2);
  for (const precision of ["int8", "float"] as const) {
    await using engine = await createEngine(model, { backend: "wasm", precision });
    const calls: string[] = [];
    const { backend, threads, device, bytesResident } = engine;
    const counting = (runLayers: Engine["runLayers"]): Classifier =>
      classifierOn(model, {
        ...{ backend, precision, threads, device, bytesResident },
        run: () => Promise.reject(new Error("Layers are read together")),
        runLayers: (batch, layers, options) => {
          calls.push(`${batch.count}: ${layers.join(" ")}`);
          return runLayers(batch, layers, options);
        },
        profile: (batch) => engine.profile(batch),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    const together = counting((...given) => engine.runLayers(...given));
    const apart = counting((batch, layers) =>
      Promise.all(layers.map((layer) => engine.run(batch, { layer })))
    );
    const other = new URL("boats.jpg", PHOTO);
    for (
      const ask of [
        (classifier: Classifier) => classifier.explain(PHOTO),
        (classifier: Classifier) => classifier.explain(PHOTO, { scale: 75, label: 1 }),
        (classifier: Classifier) => classifier.explain(PHOTO, { scale: 75, method: "score-map" }),
        (classifier: Classifier) => classifier.distance(PHOTO, other),
        (classifier: Classifier) =>
          classifier.distance(PHOTO, other, { layers: ["prob", "pool1", "fc8"] }),
      ]
    ) assertEquals(await ask(together), await ask(apart));
    assertEquals(calls.filter((_, i) => i % 2 === 0), [
      "1: fc8 conv4_2 conv5_1 conv5_2 fc6 fc7",
      "1: fc8 conv5_2 fc6 fc7",
      "1: fc8",
      "2: conv1_2 conv2_2 conv3_2 conv4_2 conv5_2",
      "2: fc8 pool1 fc8",
    ]);
  }
});

Deno.test("explain() maps a class's probability over the image", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const maps = await Promise.all(
    model.labels.map((label) =>
      classifier.explain(PHOTO, { label, method: "score-map", scale: 75 })
    ),
  );
  const [{ height, width, grid }] = maps;
  assertEquals([height, width], [2, 3]);
  // Five pools halve the view, and a position sees the 32 pixels from where it begins.
  const sides = [Math.trunc(75 * image.width / image.height), 75];
  assertEquals(grid.step, sides.map((side) => 32 / side));
  assertEquals(grid.offset, sides.map((side) => 16 / side));
  for (let p = 0; p < height * width; p++) {
    assertAlmostEquals(maps.reduce((sum, { map }) => sum + map[p], 0), 1, 1e-6);
  }
  await assertRejects(() => classifier.explain(PHOTO, { method: "score-map" }), RangeError);
});

Deno.test("gradCam() of a logit that goes through a sigmoid is autograd's of that logit", async () => {
  const [of0, of3] = [0, 3].map((label) =>
    expected.gradCam.find((want) => want.label === label && want.layer === "conv5_2")!
  );
  for (const [logits, index, want] of [[1, 1, of0!], [4, 0, of0!], [4, 3, of3!]] as const) {
    const own = await sigmoidVgg(logits);
    const [view] = viewsOf(image, own.model, { crops: "dense", scales: [want.scale] });
    const engine = floatEngine(own.model, own.weights), batch = { ...view!, count: 1 };
    const { data, alpha } = await mapOf(engine, own.model, batch, index, want.layer);
    const error = Math.max(...want.cam.map((value, i) => Math.abs(value - data[i]!)));
    assert(error < 1e-6 * Math.max(...want.cam), `${logits} logits: off by ${error}`);
    if (logits > 1) continue;
    // What speaks for the first of two classes speaks against the second.
    const against = await mapOf(engine, own.model, batch, 0, want.layer);
    assertEquals([...against.alpha], [...alpha].map((value) => -value));
  }
});

Deno.test("explain() of a sigmoid gives the class's score, and maps it", async () => {
  for (const logits of [1, 3]) {
    const own = await sigmoidVgg(logits);
    await using classifier = classifierOn(own.model, floatEngine(own.model, own.weights));
    const scores = await classifier.scores(PHOTO);
    const { layer, ...all } = { layer: "prob" as const, crops: "dense" as const, scales: [75] };
    const prob = await classifier.embed(await classifier.prepare(PHOTO, all), { layer });
    for (const label of classifier.info.classes.keys()) {
      assertEquals((await classifier.explain(PHOTO, { label })).score, scores[label]);
      const { map } = await classifier.explain(PHOTO, { label, method: "score-map", scale: 75 });
      assertEquals(map, prob.data.filter((_, i) => i % scores.length === label));
    }
    assertEquals((await classifier.explain(PHOTO)).label, logits === 1 ? "yes" : "a");
  }
});

Deno.test("drawExplanation() is brightest where the map is", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const explanation = await classifier.explain(PHOTO);
  const gray = { data: new Uint8Array(300 * 300 * 3).fill(128), width: 300, height: 300 };
  const map = Float32Array.of(0, 1, 0, 0);
  const picture = await drawExplanation({ ...explanation, image: gray, map, height: 2, width: 2 });
  const brightness = (x: number, y: number): number => {
    const at = (y * picture.width + x) * 3;
    return picture.data[at] + picture.data[at + 1] + picture.data[at + 2];
  };
  assert(brightness(310, 10) > brightness(10, 10) + 200);
  assert(brightness(310, 10) > brightness(310, 310) + 200);
});

Deno.test("drawExplanation() goes evenly from one position to the next", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const explanation = await classifier.explain(PHOTO), side = 300;
  const image = { data: new Uint8Array(side * side * 3), width: side, height: side };
  const grid = { offset: [0.25, 0.25], step: [0.5, 0.5] } as const;
  for (const map of [[0, 1, 0, 1], [0, 0, 1, 1]].map((values) => Float32Array.from(values))) {
    const given = { ...explanation, image, map, height: 2, width: 2, grid };
    const { data, width } = await drawExplanation(given);
    const isDown = map[1] === 0, scale = width - 96; // The picture is drawn larger, beside its scale.
    const greens = Array.from({ length: scale }, (_, i) => {
      const [x, y] = isDown ? [scale / 2, i] : [i, scale / 2];
      return data[(y * width + x) * 3 + 1]!;
    });
    // A quarter lies before the first position, and one behind the last; the picture itself is black.
    const colors = colorTable(), green = (part: number) => colors[levelOf(part) * 3 + 1]!;
    const strength = greens.at(-1)! / green(1);
    for (const [i, found] of greens.entries()) {
      const part = Math.max(0, Math.min(1, ((i + 0.5) / scale - 0.25) / 0.5));
      assertAlmostEquals(found, strength * green(part), 1.5, `${i} of ${scale}`);
    }
  }
});

Deno.test("drawPredictions() draws on pixels of any channels, and on nothing else", async () => {
  const [gray, rgb, rgba] = [1, 3, 4].map((channels) => ({
    data: new Uint8Array(400 * 400 * channels).fill(255),
    width: 400,
    height: 400,
  }));
  const labels = [{ label: "cat", score: 0.5, index: 0 }];
  const drawn = await drawPredictions(rgb!, labels);
  for (const image of [gray!, rgba!]) assertEquals(await drawPredictions(image, labels), drawn);
  const none = () => drawPredictions("cat.png" as never, labels);
  await assertRejects(none, TypeError, "Expected pixels");
});

Deno.test("drawPredictions() writes that the first one is not sure, above all of them", async () => {
  const gray = { data: new Uint8Array(400 * 300 * 3).fill(128), width: 400, height: 300 };
  const draw = async (...sure: (boolean | undefined)[]) => {
    const predictions = sure.map((sure, index) => ({ label: "cat", score: 0.5, index, sure }));
    return (await drawPredictions(gray, predictions)).data;
  };
  const plain = await draw(undefined, undefined), three = await draw(...new Array(3));
  assertEquals(await draw(true, false), plain);
  const unsure = await draw(false, false);
  // Two lines of 30 pixels each below the words, and 5 of the band's border.
  const candidates = -400 * 65 * 3;
  assertEquals(unsure.subarray(candidates), plain.subarray(candidates));
  const band = (data: Uint8Array): number => data.findIndex((value) => value !== 128);
  assertEquals(band(unsure), band(three));
  assertNotEquals(unsure, three);
});

Deno.test("drawPredictions() writes on the lower edge and nowhere else", async () => {
  const gray = { data: new Uint8Array(400 * 300 * 3).fill(128), width: 400, height: 300 };
  const predictions = [{ label: "cat", score: 0.9, index: 0 }];
  const { data, width, height } = await drawPredictions(gray, predictions);
  assertEquals([width, height], [400, 300]);
  assert(data.subarray(0, 400 * 250 * 3).every((value) => value === 128));
  const band = data.subarray(400 * 270 * 3);
  assert(band.some((value) => value > 240), "white text");
  assert(band.some((value) => value < 60), "on a dark band");
});

/** CIE 1976 lightness of an sRGB color (IEC 61966-2-1, ISO/CIE 11664-4). */
function lightness([r, g, b]: number[]): number {
  const linear = (v: number): number =>
    v <= 0.04045 * 255 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const y = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  return y > 216 / 24389 ? 116 * Math.cbrt(y) - 16 : y * 24389 / 27;
}

/** matplotlib's inferno at levels 4, 40, 76, … of 256: between our stops. */
const MATPLOTLIB = "02010a 2f0a5b 6a176e a32c61 d74b3f f68013 fac42a";

Deno.test("colorTable() is matplotlib's inferno, and its lightness rises all the way", () => {
  const table = colorTable();
  const color = (level: number): number[] => [...table.subarray(level * 3, level * 3 + 3)];
  for (const [n, hex] of MATPLOTLIB.split(" ").entries()) {
    const want = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
    // Ours is linear between 33 stops: two of 255 at the sharpest bend.
    want.forEach((value, c) => assertAlmostEquals(color(4 + 36 * n)[c], value, 2));
  }
  for (let level = 8; level < 256; level += 8) {
    assert(lightness(color(level)) > lightness(color(level - 8)), `at level ${level}`);
  }
  assertEquals([levelOf(-1), levelOf(0), levelOf(0.5), levelOf(2)], [0, 0, 128, 255]);
});

const NETWORK = {
  configuration: "A" as const,
  input: { height: 64, width: 32, channels: 3 },
  convolutions: [4, 4, 4, 4, 4, 4, 4, 8],
};

/** Networks, the layer that is explained, and the sides of the image. */
const SLOPES: Record<string, [architecture: Architecture, layer: string, [number, number]]> = {
  "all positions of a first dense layer's kernel": [
    { ...NETWORK, dense: [12, 3] },
    "conv5_2",
    [64, 32],
  ],
  "the average over positions": [
    { ...NETWORK, pooling: "average", dense: [3] },
    "conv5_2",
    [64, 32],
  ],
  "the average of a larger image": [
    { ...NETWORK, pooling: "average", dense: [12, 3] },
    "conv5_2",
    [97, 131],
  ],
  "the average, and the convolutions of a block": [
    { ...NETWORK, pooling: "average", dense: [16, 12, 9, 3] },
    "conv4_2",
    [70, 100],
  ],
  "eight dense layers": [
    { ...NETWORK, dense: [24, 24, 24, 24, 24, 24, 24, 3] },
    "conv4_2",
    [64, 32],
  ],
};

for (const [what, [architecture, layer, [height, width]]] of Object.entries(SLOPES)) {
  Deno.test(`gradCam() gives the logit's slopes through ${what}`, async () => {
    const { model, weights } = randomModel(architecture, 4);
    const engine = floatEngine(model, weights);
    const batch = randomBatch(1, height, width, 3);
    const { alpha, ...map } = await mapOf(engine, model, batch, 1, layer);
    const { data, shape: [, rows, columns, channels] } = await engine.run(batch, { layer });
    assertEquals([map.height, map.width], [rows, columns]);

    // The sum of a channel's gradients is the slope when all of its positions move together.
    const logit = (channel: number, by: number): number => {
      const moved = Float64Array.from(data, (v, i) => i % channels === channel ? v + by : v);
      const from = { data: moved, height: rows, width: columns, channels };
      return logitsFrom(model, weights, layer, from)[1];
    };
    const step = 1e-6;
    const slopes = Array.from(
      alpha,
      (_, channel) => (logit(channel, step) - logit(channel, -step)) / (2 * step),
    );
    assert(slopes.some((slope) => Math.abs(slope) > 1e-3), `the slopes are ${slopes}`);
    for (const [channel, slope] of slopes.entries()) {
      assertAlmostEquals(alpha[channel] * rows * columns, slope, 1e-5 * (1 + Math.abs(slope)));
    }
  });
}

Deno.test("explain() of a model that averages its map has a finer map for a larger image, and no score map", async () => {
  const architecture = { ...NETWORK, pooling: "average" as const, dense: [12, 5] };
  const { model, weights } = randomModel(architecture, 4);
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const [best] = await classifier.classify(PHOTO, { crops: "dense", scales: [140] });
  const explanation = await classifier.explain(PHOTO, { scale: 140 });
  assertEquals([explanation.label, explanation.height], [best.label, 140 >> 4]);
  assertAlmostEquals(explanation.score, best.score, 1e-12);
  await assertRejects(
    () => classifier.explain(PHOTO, { method: "score-map", scale: 140 }),
    RangeError,
    "has one score for an image, and no map of them: take grad-cam",
  );
});
