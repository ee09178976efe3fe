import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  type Classifier,
  classifierOn,
  loadClassifier,
  type PrepareOptions,
} from "../lib/classifier.ts";
import { DisposedError } from "../lib/errors.ts";
import type { LazyImage, Pixels } from "../lib/image/image.ts";
import { encodePng } from "../lib/image/codecs/encode_png.ts";
import { readImage } from "../lib/image/read.ts";
import { resizeImage } from "../lib/image/resize.ts";
import { openModel } from "../lib/model/file.ts";
import { similarity } from "../lib/output/embedding.ts";
import { sigmoid } from "../lib/output/predictions.ts";
import { floatEngine } from "./support/float_engine.ts";
import { randomModel } from "./support/random_model.ts";
import { sigmoidVgg, smallVgg } from "./support/small_vgg.ts";
import { CIFAR10, CIFAR10_FILE } from "./support/cifar10.ts";

const PHOTOS = ["cat.png", "boats.jpg", "rocket.jpg"].map((name) =>
  new URL(`data/photos/${name}`, import.meta.url)
);
const [CAT, BOATS, ROCKET] = PHOTOS as [URL, URL, URL];
const { model, weights, expected } = await smallVgg();
const make = (): Classifier => classifierOn(model, floatEngine(model, weights));
const classifier = make();
const pixels: Pixels = await readImage(CAT);
const TEN: PrepareOptions = { crops: "ten", scales: [40] };

Deno.test("a prepared image says what it is, and no more", async () => {
  const plain = await classifier.prepare(CAT);
  assertEquals([plain.model, plain.views, plain.byteLength], [model.id, 1, 32 * 32 * 3]);
  const ten = await classifier.prepare(CAT, TEN);
  assertEquals([ten.views, ten.byteLength], [10, 10 * 32 * 32 * 3]);
  assertEquals(Object.keys(ten), ["model", "views", "byteLength"]);
});

Deno.test("a picture that was decoded is freed once its views are cut, and a program's own is not", async () => {
  const freed: number[] = [], { transfer } = ArrayBuffer.prototype;
  ArrayBuffer.prototype.transfer = function (length) {
    freed.push(this.byteLength);
    return transfer.call(this, length);
  };
  try {
    await classifier.prepare(pixels);
    const small = resizeImage(pixels, { width: 32, height: 32 });
    // Its one view may be the picture itself.
    await classifier.scores(await encodePng(small), { crops: "dense", scales: [32] });
    freed.length = 0;
    await classifier.prepare(CAT);
  } finally {
    ArrayBuffer.prototype.transfer = transfer;
  }
  assertEquals(freed, [pixels.data.length]);
  assertEquals(pixels.data.length, pixels.width * pixels.height * 3);
});

Deno.test("prepared images give the rows of their pictures, in their order, in any mixture", async () => {
  const prepared = [
    await classifier.prepare(CAT, TEN),
    await classifier.prepare(BOATS),
    await classifier.prepare(ROCKET, { crops: "dense", scales: [48] }),
    CAT,
    await classifier.prepare(BOATS, { crops: "dense+multi", scales: [40, 64] }),
  ];
  const rows = await classifier.scores(prepared);
  assertEquals(rows, [
    await classifier.scores(CAT, TEN),
    await classifier.scores(BOATS),
    await classifier.scores(ROCKET, { crops: "dense", scales: [48] }),
    await classifier.scores(CAT),
    await classifier.scores(BOATS, { crops: "dense+multi", scales: [40, 64] }),
  ]);
  const embeddings = await classifier.embed(prepared, { layer: "pool5", pooling: "avg" });
  assertEquals(embeddings.length, 5);
  assertEquals(embeddings[1], await classifier.embed(BOATS, { layer: "pool5", pooling: "avg" }));
  assertEquals(embeddings[3], await classifier.embed(CAT, { layer: "pool5", pooling: "avg" }));
});

Deno.test("embed() of an image with several views is their average", async () => {
  const ten = await classifier.prepare(CAT, TEN);
  const prob = await classifier.embed(ten, { layer: "prob" });
  const scores = await classifier.scores(ten);
  scores.forEach((score, c) => assertAlmostEquals(prob.data[c]!, score, 1e-6));
  const unit = await classifier.embed(ten, { layer: "fc7", normalize: true });
  assertAlmostEquals(similarity(unit, await classifier.embed(ten, { layer: "fc7" })), 1, 1e-6);
  assertAlmostEquals(unit.data.reduce((sum, v) => sum + v * v, 0), 1, 1e-6);
});

Deno.test("embed() pools views of several sizes, and refuses to average them otherwise", async () => {
  const sizes = await classifier.prepare(CAT, { crops: "dense", scales: [64, 96] });
  const { shape } = await classifier.embed(sizes, { layer: "pool4", pooling: "max" });
  assertEquals(shape, model.architecture.convolutions.slice(5, 6));
  await assertRejects(
    () => classifier.embed(sizes, { layer: "pool4" }),
    RangeError,
    'pool them with "avg" or "max"',
  );
});

Deno.test("distance() and explain() take prepared images of one view, and no others", async () => {
  const [cat, ten] = [await classifier.prepare(CAT), await classifier.prepare(CAT, TEN)];
  assertEquals(await classifier.distance(cat, CAT), 0);
  const [own, other] = [await classifier.explain(cat), await classifier.explain(CAT)];
  assertEquals([own.label, own.score, own.map], [other.label, other.score, other.map]);
  assertEquals([own.image.width, own.image.height], [32, 32]);
  await assertRejects(() => classifier.distance(cat, ten), RangeError, "prepared with 10");
  await assertRejects(() => classifier.explain(ten), RangeError, "prepared with 10");
});

Deno.test("options that a prepared image has no use for are refused", async () => {
  const prepared = await classifier.prepare(CAT);
  const look: PrepareOptions[] = [
    { crops: "ten" },
    { scales: [40] },
    { flip: false },
    { maxPixels: 1 },
    { maxBytes: 1 },
    { background: true },
  ];
  for (const options of look) {
    const message = `${Object.keys(options)[0]} does not apply to a prepared image`;
    // @ts-expect-error Nor does it compile.
    await assertRejects(() => classifier.classify(prepared, options), TypeError, message);
    // @ts-expect-error In a list, too.
    await assertRejects(() => classifier.scores([prepared, CAT], options), TypeError, message);
  }
  // @ts-expect-error The view is there already.
  await assertRejects(() => classifier.explain(prepared, { scale: 64 }), TypeError, "scale does");
  const { length } = await classifier.scores(prepared, { crops: undefined });
  assertEquals(length, model.labels.length);
});

Deno.test("an image that was prepared for another model is refused, whatever that is called", async () => {
  const prepared = await classifier.prepare(CAT);
  const others = [
    { ...model, id: "other" },
    { ...model, preprocessing: { ...model.preprocessing, filter: "bicubic" as const } },
  ];
  for (const other of others) {
    const its = classifierOn(other, floatEngine(model, weights));
    await assertRejects(() => its.classify(prepared), RangeError, `prepare it with ${other.id}`);
  }
  assertEquals(await make().classify(prepared), await classifier.classify(CAT));
});

Deno.test("nothing can pass for a prepared image", async () => {
  for (const fake of [{ model: model.id, views: 1, byteLength: 3072 }, { views: [] }]) {
    // @ts-expect-error It is none.
    await assertRejects(() => classifier.classify(fake), TypeError, "Expected an image as");
  }
});

Deno.test("one image and many are told apart by what they are", async () => {
  const bytes = await Deno.readFile(CAT);
  const [best] = await classifier.classify(pixels);
  const one: LazyImage[] = [bytes, bytes.buffer, new Blob([bytes]), CAT, CAT.pathname, pixels];
  for (const image of one) {
    assertEquals(await classifier.classify([image]), [await classifier.classify(pixels)]);
  }
  const stream = new Blob([bytes]).stream();
  assertEquals((await classifier.classify(stream))[0], best);
  assertEquals((await classifier.classify(new Set([CAT, BOATS]))).length, 2);
  assertEquals(await classifier.classify([]), []);
  // @ts-expect-error These are numbers.
  await assertRejects(() => classifier.classify(new Float32Array(4)), TypeError, "Float32Array");
  // @ts-expect-error And this is nothing.
  await assertRejects(() => classifier.classify(null), TypeError, "Expected an image as");
});

Deno.test("many images are opened as they are needed, a batch at most at a time", async () => {
  let opened = 0, ran = 0, most = 0;
  const engine = floatEngine(model, weights);
  const counting = classifierOn(model, {
    ...engine,
    run: (batch, options) => {
      most = Math.max(most, opened - ran);
      ran += batch.count;
      return engine.run(batch, options);
    },
  });
  const images = function* (): Generator<LazyImage> {
    for (let n = 0; n < 150; n++) {
      yield () => {
        opened++;
        return Promise.resolve(pixels);
      };
    }
  };
  const rows = await counting.scores(images());
  assertEquals([rows.length, opened, ran], [150, 150, 150]);
  assert(most <= 64, `${most} images were open at once`);
});

Deno.test("images may come one after the other, and whoever makes them is told of the end", async () => {
  let ended = false;
  const images = async function* (): AsyncGenerator<LazyImage> {
    try {
      yield CAT;
      yield await Deno.readFile(BOATS);
      yield new Uint8Array(3);
    } finally {
      ended = true;
    }
  };
  await assertRejects(() => classifier.classify(images()), "ImageDecodeError");
  assert(ended);
  const abort = new AbortController();
  const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
  const waiting = classifier.scores(never, { signal: abort.signal });
  abort.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
});

Deno.test("scores() takes one or many, as the others do", async () => {
  const one = await classifier.scores(CAT);
  assertEquals(await classifier.scores([CAT, CAT]), [one, one]);
  const explained = await classifier.explain([CAT, BOATS]);
  assertEquals(explained.map(({ label }) => label), [
    (await classifier.explain(CAT)).label,
    (await classifier.explain(BOATS)).label,
  ]);
});

Deno.test("info lists the layers that embed() gives, with their shapes", async () => {
  for (const { name, shape } of classifier.info.layers) {
    assertEquals((await classifier.embed(CAT, { layer: name })).shape, shape, name);
  }
});

Deno.test("info stays after close(), which waits for what runs and takes no more", async () => {
  const closing = make();
  let ran = false;
  const running = closing.scores([CAT, BOATS]).then(() => ran = true);
  assertEquals(closing.closed, false);
  const ends = [closing.close(), closing.close(), closing[Symbol.asyncDispose]()];
  assertEquals(closing.closed, true);
  for (
    const call of [
      () => closing.classify(CAT),
      () => closing.scores(CAT),
      () => closing.embed(CAT),
      () => closing.explain(CAT),
      () => closing.distance(CAT, CAT),
      () => closing.prepare(CAT),
    ]
  ) {
    await assertRejects(call, DisposedError);
  }
  await Promise.all(ends);
  assert(ran, "close() did not wait");
  await running;
  assertEquals(closing.info.classes, classifier.info.classes);
  assertEquals(closing.usage().bytesResident, 0);
});

Deno.test("loadClassifier() takes an open model", async () => {
  const file = CIFAR10_FILE;
  const open = await openModel(file);
  await using loaded = await loadClassifier({ model: open, backend: "wasm" });
  assertEquals((await loaded.classify(CAT))[0].label, "cat");
  const none = {} as typeof open;
  await assertRejects(() => loadClassifier({ model: none }), RangeError, "model must be");
});

Deno.test("a stream is one image; one of many images is read by its values()", async () => {
  const blob = new Blob([await Deno.readFile(CAT)]);
  const streamed = (): ReadableStream<Blob> => ReadableStream.from([blob, blob]);
  const message = "as Uint8Array: found [object Blob]";
  await assertRejects(() => classifier.classify(streamed()), TypeError, message);
  assertEquals((await classifier.classify(streamed().values())).length, 2);
});

Deno.test("profile() times each layer that computes, of as many images as are asked for", async () => {
  await using embedded = await loadClassifier({ model: CIFAR10, backend: "wasm", threads: 1 });
  const [one, four] = [await embedded.profile({ runs: 1 }), await embedded.profile({ batch: 4 })];
  const computing = embedded.info.layers.filter(({ name }) => /^(conv|fc)/.test(name));
  assertEquals(one.map(({ layer }) => layer), computing.map(({ name }) => name));
  assertEquals(four.map(({ operations }) => operations), one.map((l) => 4 * l.operations));
});

Deno.test("a model for features only says that it has no classes", async () => {
  const own = randomModel({ ...model.architecture, dense: [] });
  const features = classifierOn(own.model, floatEngine(own.model, own.weights));
  assertEquals(features.info.classes, []);
  assertEquals(features.info.layers.slice(-2).map(({ name }) => name), ["pool5", "search"]);
  const message = "without dense layers has no class";
  await assertRejects(() => features.classify(CAT), RangeError, message);
  await assertRejects(() => features.scores(CAT), RangeError, message);
  await assertRejects(() => features.explain(CAT), RangeError, message);
});

for (const logits of [1, 3]) {
  const own = await sigmoidVgg(logits);
  const sigmoidClassifier = classifierOn(own.model, floatEngine(own.model, own.weights));
  const want = expected.embeddings["fc8"]!.first.slice(0, logits);

  Deno.test(`scores() gives the sigmoids of PyTorch's logits, of ${logits}`, async () => {
    const scores = await sigmoidClassifier.scores(CAT);
    const each = want.map((logit) => 1 / (1 + Math.exp(-logit)));
    const all = logits === 1 ? [1 - each[0]!, each[0]!] : each;
    assertEquals(scores.length, all.length);
    // The engine's values pass through float32 once.
    all.forEach((score, c) => assertAlmostEquals(scores[c]!, score, 1e-5));
    const best = await sigmoidClassifier.classify(CAT);
    assertEquals(best.map(({ score }) => score), [...scores].sort((a, b) => b - a));
    assertEquals(best[0].label, logits === 1 ? "yes" : "a");
    const { info } = sigmoidClassifier;
    assertEquals([info.multiLabel, info.architecture.head], [logits > 1, "sigmoid"]);
  });

  Deno.test(`the scores of several views are averaged after the sigmoid, of ${logits}`, async () => {
    const [one, other] = [
      await sigmoidClassifier.scores(CAT),
      await sigmoidClassifier.scores(CAT, { crops: "center", scales: [40] }),
    ];
    const both = await sigmoidClassifier.scores(CAT, { crops: "center", scales: [32, 40] });
    both.forEach((score, c) => assertAlmostEquals(score, (one[c]! + other[c]!) / 2, 1e-12));
  });

  Deno.test(`embed() gives the scores as prob and the logits as fc8, of ${logits}`, async () => {
    for (const { name, shape } of sigmoidClassifier.info.layers.slice(-2)) {
      assertEquals((await sigmoidClassifier.embed(CAT, { layer: name })).shape, shape, name);
    }
    const scores = await sigmoidClassifier.scores(CAT);
    const prob = await sigmoidClassifier.embed(CAT, { layer: "prob" });
    assertEquals(prob.data, Float32Array.from(scores));
    const fc8 = await sigmoidClassifier.embed(CAT, { layer: "fc8" });
    want.forEach((logit, c) => assertAlmostEquals(fc8.data[c]!, logit, 1e-5));
    const views = await sigmoidClassifier.prepare(CAT, TEN);
    const mean = await sigmoidClassifier.embed(views, { layer: "prob" });
    assertEquals(mean.data, Float32Array.from(await sigmoidClassifier.scores(views)));
    // Larger than trained for: a score of each place, which are averaged after the head.
    const wide = await sigmoidClassifier.prepare(CAT, { crops: "dense", scales: [64] });
    const [logitMap, probMap, pooled] = [
      await sigmoidClassifier.embed(wide, { layer: "fc8" }),
      await sigmoidClassifier.embed(wide, { layer: "prob" }),
      await sigmoidClassifier.embed(wide, { layer: "prob", pooling: "avg" }),
    ];
    const [height = 0, width = 0] = logitMap.shape, classes = scores.length;
    assertEquals(probMap.shape, [height, width, classes]);
    assert(height * width > 1);
    const last = sigmoid(logitMap.data).filter((_, i) => i % logits === logits - 1);
    const lastScores = probMap.data.filter((_, i) => i % classes === classes - 1);
    last.forEach((score, p) => assertAlmostEquals(lastScores[p]!, score, 1e-6));
    const average = last.reduce((sum, score) => sum + score, 0) / last.length;
    assertEquals(pooled.shape, [classes]);
    assertAlmostEquals(pooled.data.at(-1)!, average, 1e-6);
  });
}
