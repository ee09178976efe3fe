import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { classifierFrom, type ClassifierParts } from "../../lib/compose/classifier_from.ts";
import { classifierOn, type ImageClassifier } from "../../lib/classifier.ts";
import { DisposedError, ScoresNotFiniteError } from "../../lib/errors.ts";
import { evaluate } from "../../lib/evaluate/evaluate.ts";
import type { Pixels } from "../../lib/image/image.ts";
import { floatEngine } from "../support/float_engine.ts";
import { smallVgg } from "../support/small_vgg.ts";

const CAT = new URL("../data/photos/cat.png", import.meta.url);
const WHITE: Pixels = { data: new Uint8Array(3).fill(255), width: 1, height: 1 };
const BLACK: Pixels = { data: new Uint8Array(3), width: 1, height: 1 };

const byBrightness: ClassifierParts<"day" | "night"> = {
  labels: ["day", "night"],
  scores: (images) => images.map(({ data }) => [data[0]! / 255, 1 - data[0]! / 255]),
};

Deno.test("classifierFrom() classifies and scores one image and many by a function", async () => {
  const classifier = classifierFrom(byBrightness);
  const [best] = await classifier.classify(WHITE);
  const label: "day" | "night" = best.label;
  assertEquals([label, best.score, best.index], ["day", 1, 0]);
  assertEquals(await classifier.scores(BLACK), Float64Array.of(0, 1));
  assertEquals(await classifier.scores([BLACK, () => WHITE]), [
    Float64Array.of(0, 1),
    Float64Array.of(1, 0),
  ]);
  const rows = await classifier.classify([BLACK, WHITE], { topK: 1, deny: ["day"] });
  assertEquals(rows.map(([row]) => row), [
    { label: "night", score: 1, index: 1 },
    { label: "night", score: 0, index: 1 },
  ]);
  assertEquals(await classifier.classify([]), []);
  assertEquals(classifier.info.model, "custom");
  assertEquals(classifier.info.classes.map(({ label }) => label), ["day", "night"]);
});

Deno.test("classifierFrom() takes scores of labels that stand by themselves", async () => {
  const scores = () => [[0.9, 0.8]];
  const classifier = classifierFrom({ labels: ["red", "round"], scores, multiLabel: true });
  assertEquals(classifier.info.multiLabel, true);
  assertEquals(classifierFrom(byBrightness).info.multiLabel, false);
  const found = await classifier.classify(WHITE, { scoreThreshold: 0.5 });
  assertEquals(found.map(({ label, score }) => [label, score]), [["red", 0.9], ["round", 0.8]]);
});

Deno.test("the function of classifierFrom() gets decoded images, and the caller's signal", async () => {
  const seen: unknown[] = [];
  const classifier = classifierFrom({
    labels: ["a"],
    scores: (images, { signal }) => {
      seen.push(images.map(({ data, width, height }) => data.length / width / height), signal);
      return Promise.resolve(images.map(() => Float32Array.of(1)));
    },
  });
  const abort = new AbortController(), reason = new Error("mine"), { signal } = abort;
  await classifier.classify([CAT, WHITE], { signal });
  assertEquals(seen.shift(), [3, 3]);
  const heard = seen[0] as AbortSignal; // As its type says.
  assertEquals(heard.aborted, false);
  abort.abort(reason);
  assertEquals(heard.reason, reason);
});

Deno.test("many images are decoded and scored few at a time", async () => {
  let opened = 0, scored = 0, most = 0;
  const classifier = classifierFrom({
    labels: ["a"],
    scores: (images) => {
      most = Math.max(most, opened - scored);
      scored += images.length;
      return images.map(() => [1]);
    },
  });
  const images = Array.from({ length: 100 }, () => () => {
    opened++;
    return WHITE;
  });
  assertEquals((await classifier.scores(images)).length, 100);
  assertEquals(most, 32);
});

Deno.test("rows that do not fit the images or the labels are an error with what was found", async () => {
  const wrong: [unknown, string][] = [
    [[], "a row for each of 1 images, of 2 scores: found 0 of lengths"],
    [[[1]], "found 1 of lengths 1"],
    [[[1, 0], [1, 0]], "found 2 of lengths 2"],
    [[1, 0], "found 2 of lengths"],
    [undefined, "found undefined"],
  ];
  for (const [rows, message] of wrong) {
    // As a program without types has it.
    const classifier = classifierFrom({ ...byBrightness, scores: () => rows as number[][] });
    await assertRejects(() => classifier.classify(WHITE), RangeError, message);
  }
  for (const row of [[10, -3], [0.5, -0.1], [1.1, 0]]) {
    const logits = classifierFrom({ ...byBrightness, scores: () => [row] });
    await assertRejects(() => logits.classify(WHITE), RangeError, "probabilities, 0 to 1: found");
  }
  const rounded = classifierFrom({ ...byBrightness, scores: () => [[1 + 2 ** -23, 0]] });
  assertEquals((await rounded.classify(WHITE))[0].label, "day");
  const broken = classifierFrom({ ...byBrightness, scores: () => [[NaN, 1]] });
  await assertRejects(() => broken.scores(WHITE), ScoresNotFiniteError);
  await assertRejects(() => broken.classify(WHITE), ScoresNotFiniteError);
});

Deno.test("what is no classifier's part is refused, and so are options that the function has no use for", async () => {
  const wrong = (parts: object): ImageClassifier => classifierFrom(parts as ClassifierParts);
  assertThrows(() => wrong({}), TypeError, "Expected a classifier of { labels, scores }");
  assertThrows(() => wrong({ ...byBrightness, labels: [] }), RangeError, "labels must be");
  assertThrows(() => wrong({ ...byBrightness, score: 1 }), RangeError, "did you mean scores?");
  const classifier = classifierFrom(byBrightness);
  await assertRejects(() => classifier.classify(WHITE, { crops: "ten" }), RangeError, "crops");
  await assertRejects(() => classifier.scores(WHITE, { scales: [64] }), RangeError, "scales");
  const { model, weights } = await smallVgg();
  await using vgg = classifierOn(model, floatEngine(model, weights));
  const prepared = await vgg.prepare(CAT);
  await assertRejects(
    () => classifier.classify(prepared),
    RangeError,
    "prepared for the model small-vgg: give custom the image itself",
  );
});

Deno.test("closing waits for calls under way, frees once, and refuses further calls", async () => {
  const order: string[] = [], called = Promise.withResolvers<void>();
  const scoring = Promise.withResolvers<number[][]>();
  const classifier = classifierFrom({
    labels: ["a"],
    scores: () => {
      called.resolve();
      return scoring.promise;
    },
    close: () => void order.push("freed"),
  });
  const call = classifier.classify(WHITE).then(() => order.push("answered"));
  await called.promise;
  const closing = [classifier.close(), classifier[Symbol.asyncDispose](), classifier.close()];
  assertEquals(classifier.closed, true);
  await assertRejects(() => classifier.classify(WHITE), DisposedError);
  await assertRejects(() => classifier.scores(WHITE), DisposedError);
  scoring.resolve([[1]]);
  await Promise.all([call, ...closing]);
  assertEquals(order, ["answered", "freed"]);
  assertEquals(classifier.info.model, "custom");
});

Deno.test("evaluate() takes a classifier that is made of a function", async () => {
  const samples = [
    { file: "white", image: WHITE, label: "day" },
    { file: "black", image: () => BLACK, label: "night" },
    { file: "gray", image: { ...BLACK, data: Uint8Array.of(200, 200, 200) }, label: "night" },
  ];
  const { metrics, labels } = await evaluate(classifierFrom(byBrightness), samples);
  assertEquals([metrics.top1, labels], [2 / 3, ["day", "night"]]);
});

Deno.test("a function's best prediction is sure from the score on that it is given with", async () => {
  const scores = () => [[0.25, 0.75]];
  const made = classifierFrom({ labels: ["a", "b"], scores, sureScore: 0.75 });
  assertEquals(made.info.sureScore, 0.75);
  assertEquals((await made.classify(CAT)).map(({ label, sure }) => [label, sure]), [
    ["b", true],
    ["a", false],
  ]);
  const fit = classifierFrom({ labels: ["a", "none of these"], scores, sureScore: 0 });
  assertEquals((await fit.classify(CAT)).map(({ sure }) => sure), [false, false]);
  const plain = classifierFrom({ labels: ["a", "b"], scores });
  assertEquals(Object.hasOwn(plain.info, "sureScore"), false);
  assertEquals(Object.hasOwn((await plain.classify(CAT))[0], "sure"), false);
  for (const sureScore of [-1, 1.5, NaN]) {
    const wrong = () => classifierFrom({ labels: ["a", "b"], scores, sureScore });
    assertThrows(wrong, RangeError, "sureScore must be a number from 0 to 1");
  }
});
