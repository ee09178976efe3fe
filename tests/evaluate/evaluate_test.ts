import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { parseVariants, type Variant } from "../../lib/cli/variants.ts";
import { classifierOn, loadClassifier } from "../../lib/classifier.ts";
import type { IndexedSample, Sample } from "../../lib/input/dataset.ts";
import { listSamples } from "../../lib/input/list_samples.ts";
import { evaluate } from "../../lib/evaluate/evaluate.ts";
import { fuse } from "../../lib/compose/fuse.ts";
import { type EvaluationRecord, metricsOf } from "../../lib/evaluate/metrics.ts";
import { comparisonRows, type EvaluatedVariant, htmlReport } from "../../lib/evaluate/report.ts";
import { floatEngine } from "../support/float_engine.ts";
import { random, randomModel } from "../support/random_model.ts";
import { sigmoidVgg, smallVgg } from "../support/small_vgg.ts";
import { CIFAR10 } from "../support/cifar10.ts";

const PHOTOS = new URL("../data/photos/", import.meta.url);
const { model, weights } = await smallVgg();

/** A record whose scores beyond the best do not matter. */
function record(label: number, best: number, score: number): EvaluationRecord {
  return { file: `${Math.random()}`, label, top: [{ index: best, score }], score: 0.5 };
}

Deno.test("metricsOf() counts accuracy, recall, precision and confusion", () => {
  // By hand: three of class a, of which two are found; one of b, found; c is empty.
  const records = [record(0, 0, 0.9), record(0, 0, 0.8), record(0, 1, 0.7), record(1, 1, 0.6)];
  const metrics = metricsOf(records, ["a", "b", "c"]);
  assertEquals(metrics.top1, 3 / 4);
  assertEquals(metrics.confusion, [[2, 1, 0], [0, 1, 0], [0, 0, 0]]);
  assertEquals(metrics.classes.map(({ recall }) => recall), [2 / 3, 1, NaN]);
  assertEquals(metrics.classes.map(({ precision }) => precision), [1, 1 / 2, NaN]);
  assertAlmostEquals(metrics.crossEntropy, Math.LN2, 1e-12);
});

Deno.test("metricsOf() counts what is sure, and what of it is right", () => {
  const labels = ["a", "b", "none of these"];
  // Reached and right, reached and wrong, not reached, reached by what is never sure.
  const records = [record(0, 0, 0.9), record(1, 0, 0.8), record(0, 0, 0.79), record(2, 2, 0.95)];
  const sure = (score?: number) => metricsOf(records, labels, false, score).sure;
  assertEquals(sure(0.8), { score: 0.8, share: 2 / 4, accuracy: 1 / 2 });
  assertEquals(sure(0.85), { score: 0.85, share: 1 / 4, accuracy: 1 });
  assertEquals(sure(0.96), { score: 0.96, share: 0, accuracy: NaN });
  assertEquals(sure(), undefined);
  const own = metricsOf([ownRecord(1, 0.9, 0.95), ownRecord(0, 0.2, 0.5)], ["a", "b"], true, 0.5);
  assertEquals(own.sure, { score: 0.5, share: 1, accuracy: 1 / 2 });
});

Deno.test("metricsOf() refuses a record of other classes, with its name", () => {
  const none = { ...record(0, 0, 1), top: [] };
  for (const other of [record(2, 0, 0.9), record(0, 2, 0.9), none]) {
    assertThrows(() => metricsOf([other], ["a", "b"]), RangeError, other.file);
  }
});

/** Of labels that have their own scores; the true one is `label`. */
function ownRecord(label: number, ...scores: number[]): EvaluationRecord {
  const top = scores.map((score, index) => ({ index, score })).sort((a, b) => b.score - a.score);
  return { file: `${Math.random()}`, label, top, score: scores[label]!, scores };
}

Deno.test("metricsOf() takes labels with their own scores by themselves", () => {
  // The scores of b are those of scikit-learn's example of average_precision_score, which gives 0.83.
  // Those of a are all equal, so its images are as precise as all: 2 of 4.
  const records = [
    ownRecord(0, 0.9, 0.1),
    ownRecord(0, 0.9, 0.4),
    ownRecord(1, 0.9, 0.35),
    ownRecord(1, 0.9, 0.8),
  ];
  const metrics = metricsOf(records, ["a", "b"], true);
  const [a, b] = metrics.classes;
  assertEquals([a!.averagePrecision, b!.averagePrecision], [0.5, (1 + 2 / 3) / 2]);
  assertAlmostEquals(metrics.meanAveragePrecision!, (0.5 + 5 / 6) / 2, 1e-12);
  // From 0.5 on: a is given to all four, b to one.
  assertEquals([a!.recall, a!.precision, b!.recall, b!.precision], [1, 0.5, 0.5, 1]);
  // By the best label everything is a.
  assertEquals([metrics.top1, metrics.confusion], [0.5, [[2, 0], [2, 0]]]);
  const truths = [0.9, 0.9, 0.1, 0.1, 0.9, 0.6, 0.35, 0.8];
  const sum = truths.reduce((sum, truth) => sum - Math.log(truth), 0);
  assertAlmostEquals(metrics.crossEntropy, sum / 8, 1e-12);
  // Of eight labels: four at 0.9, two of them right; 0.1 and 0.4 wrong; 0.35 and 0.8 right.
  assertAlmostEquals(metrics.calibrationError, (4 * 0.4 + 0.1 + 0.4 + 0.65 + 0.2) / 8, 1e-12);
  assertEquals(metrics.reliability.reduce((sum, { images }) => sum + images, 0), 8);
});

Deno.test("metricsOf() leaves classes without images out of the mean average precision", () => {
  const metrics = metricsOf([ownRecord(0, 0.2, 0.9)], ["a", "b"], true);
  assertEquals(metrics.meanAveragePrecision, 1);
  assertEquals(metrics.classes[1]!.averagePrecision, NaN);
  assertEquals(metricsOf([record(0, 0, 0.9)], ["a", "b"]).meanAveragePrecision, undefined);
});

Deno.test("metricsOf() refuses records of the other kind of scores, with their name", () => {
  const [own, plain] = [ownRecord(0, 0.2, 0.9), record(0, 0, 0.9)];
  assertThrows(() => metricsOf([own], ["a", "b"]), RangeError, own.file);
  assertThrows(() => metricsOf([plain], ["a", "b"], true), RangeError, plain.file);
  assertThrows(() => metricsOf([own], ["a", "b", "c"], true), RangeError, own.file);
});

Deno.test("metricsOf() finds the calibration error of Guo et al. by hand", () => {
  // Bin [0.867, 0.933): two images at 0.9, one right. Bin [0.6, 0.667): two at 0.6, both right.
  const records = [record(0, 0, 0.9), record(0, 1, 0.9), record(1, 1, 0.6), record(0, 0, 0.6)];
  const { calibrationError, reliability } = metricsOf(records, ["a", "b"]);
  assertAlmostEquals(calibrationError, 0.5 * 0.4 + 0.5 * 0.4, 1e-12);
  assertEquals(reliability.filter(({ images }) => images > 0).map(({ accuracy }) => accuracy), [
    1,
    0.5,
  ]);
});

Deno.test("the calibration error is that of 15 bins: fewer or more give another one", () => {
  // [9/15, 10/15) has 0.61, right, and 0.66, wrong; [10/15, 11/15) has 0.69, right.
  const records = [record(0, 0, 0.61), record(0, 1, 0.66), record(1, 1, 0.69)];
  const { calibrationError, reliability } = metricsOf(records, ["a", "b"]);
  assertAlmostEquals(calibrationError, 2 / 3 * (0.635 - 0.5) + 1 / 3 * (1 - 0.69), 1e-12);
  assertEquals(reliability.length, 15);
  const used = reliability.filter(({ images }) => images > 0);
  assertEquals(used.map(({ from, to }) => [from, to]), [[9 / 15, 10 / 15], [10 / 15, 11 / 15]]);
});

Deno.test("the calibration error of scores that are true probabilities is near 0", () => {
  const next = random(5);
  const records = Array.from({ length: 20_000 }, () => {
    const score = 0.5 + next() / 2;
    return record(next() < score ? 0 : 1, 0, score);
  });
  assert(metricsOf(records, ["a", "b"]).calibrationError < 0.02);
});

const samples: IndexedSample[] = ["boats.jpg", "cat.png", "coffee.png", "rocket.jpg"].map((
  name,
  n,
) => ({
  file: new URL(name, PHOTOS).pathname,
  label: n,
}));

Deno.test("evaluate() records what classify() says, and goes on from known records", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const whole = await evaluate(classifier, samples);
  for (const { file, top } of whole.records) {
    const predictions = await classifier.classify(file);
    assertEquals(top, predictions.map(({ index, score }) => ({ index, score })));
  }
  const seen: string[] = [];
  const resumed = await evaluate(classifier, samples, {
    known: whole.records.slice(0, 3),
    onRecords: (records) => void seen.push(...records.map(({ file }) => file)),
  });
  assertEquals(seen, [samples[3].file]);
  assertEquals(resumed.records, whole.records);
  assertEquals(resumed.metrics, whole.metrics);
});

Deno.test("evaluate() believes no record of another class, nor of an image that is not there any more", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const known = (await evaluate(classifier, samples)).records;
  const corrected = samples.slice(1).map((sample, n) => n === 0 ? { ...sample, label: 3 } : sample);
  const fresh = await evaluate(classifier, corrected);
  const resumed = await evaluate(classifier, corrected, { known });
  assertEquals(resumed.records, fresh.records);
  assertEquals(resumed.metrics, fresh.metrics);
  assertEquals(resumed.records.map(({ label }) => label), [3, 2, 3]);
});

Deno.test("evaluate() keeps all scores where each label has its own, and goes on from them", async () => {
  const own = await sigmoidVgg(4);
  await using classifier = classifierOn(own.model, floatEngine(own.model, own.weights));
  const whole = await evaluate(classifier, samples);
  const rows = await classifier.scores(samples.map(({ file }) => file));
  assertEquals(whole.records.map(({ scores }) => scores), rows.map((row) => [...row]));
  assert(whole.metrics.meanAveragePrecision! > 0);
  const written: EvaluationRecord[] = JSON.parse(JSON.stringify(whole.records));
  const resumed = await evaluate(classifier, samples, { known: written });
  assertEquals(resumed.metrics, whole.metrics);
  assertEquals((await evaluate(fuse([classifier]), samples)).metrics, whole.metrics);
});

Deno.test("evaluate() takes one logit for two classes as any two", async () => {
  const own = await sigmoidVgg(1);
  await using classifier = classifierOn(own.model, floatEngine(own.model, own.weights));
  const two = samples.map(({ file, label }) => ({ file, label: label % 2 }));
  const { records, metrics } = await evaluate(classifier, two);
  for (const { file, label, top, score, scores } of records) {
    const [no, yes] = await classifier.scores(file);
    assertEquals([score, scores], [label === 0 ? no : yes, undefined]);
    assertEquals(top.map(({ score }) => score), [no!, yes!].sort((a, b) => b - a));
  }
  const right = records.filter(({ label, top }) => top[0]!.index === label).length;
  assertEquals([metrics.top1, metrics.top5, metrics.images], [right / 4, 1, 4]);
  assertEquals(metrics.meanAveragePrecision, undefined);
  // The best of two is at least a half.
  assertEquals(metrics.reliability.some(({ to, images }) => images > 0 && to < 0.5), false);
});

Deno.test("evaluate() refuses a label that is no class, with the sample's name", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  for (const label of [model.labels.length, -1]) {
    const wrong = [{ ...samples[0], label }];
    const message = `${samples[0].file} has label ${label}`;
    await assertRejects(() => evaluate(classifier, wrong), RangeError, message);
  }
});

Deno.test("evaluate() leaves out what cannot be read, if it may", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const missing = [...samples, { file: "missing.png", label: 0 }];
  const failed: string[] = [];
  const { metrics, failed: count, skipped } = await evaluate(classifier, missing, {
    onError: (file) => void failed.push(file),
  });
  assertEquals([metrics.images, count, failed], [4, 1, ["missing.png"]]);
  const reason = "there is no such file", code = "image-not-found";
  assertEquals(skipped, [{ file: "missing.png", label: "a", reason, code }]);
  const place = "image 4 (missing.png): ";
  await assertRejects(() => evaluate(classifier, missing), Deno.errors.NotFound, place);
  // Its place is that among the samples, of which some may be known.
  const { records: known } = await evaluate(classifier, samples);
  await assertRejects(() => evaluate(classifier, missing, { known }), Deno.errors.NotFound, place);
});

Deno.test("evaluate() of nothing is refused, and so is what cannot be read at all", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  await assertRejects(
    () => evaluate(classifier, []),
    RangeError,
    "There are no images to evaluate",
  );
  const missing = [{ file: "a.png", label: 0 }, { file: "b.png", label: 1 }];
  const failed: unknown[] = [];
  const onError = (file: string, error: unknown) => void failed.push([file, error]);
  await assertRejects(() => evaluate(classifier, missing, { onError }), RangeError, "None of 2");
  assertEquals(failed.map((pair) => String(pair).slice(0, 14)), [
    "a.png,NotFound",
    "b.png,NotFound",
  ]);
  const { records } = await evaluate(classifier, samples);
  await assertRejects(() => evaluate(classifier, [], { known: records }), RangeError, "no images");
});

Deno.test("fuse() averages the models' probabilities", async () => {
  const other = randomModel(model.architecture, 3);
  await using a = classifierOn(model, floatEngine(model, weights));
  const relabeled = { ...other.model, labels: model.labels };
  await using b = classifierOn(relabeled, floatEngine(other.model, other.weights));
  const images = [samples[0].file];
  const [fused] = await fuse([a, b]).classify(images, { topK: 5 });
  const [pa] = await a.scores(images), [pb] = await b.scores(images);
  for (const { index, score } of fused) {
    assertAlmostEquals(score, (pa[index] + pb[index]) / 2, 1e-12);
  }
  await using c = classifierOn(other.model, floatEngine(other.model, other.weights));
  assertThrows(() => fuse([a, c]), RangeError, "same labels");
  assertThrows(() => fuse([]), TypeError);
});

Deno.test("htmlReport() holds everything within one file, and escapes names", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const evaluation = await evaluate(classifier, samples);
  const variant = { model: "<m>", backend: "b", precision: "p", mode: "center", scales: "32" };
  const html = await htmlReport("a <script>", [{ ...variant, evaluation }], samples);
  assert(!html.includes("<script") && html.includes("a &lt;script&gt;"));
  assert(!/(src|href)="(?!data:)/.test(html), "a link to the outside");
  const wrong = evaluation.records.filter(({ label, top }) => top[0].index !== label).length;
  assertEquals(html.match(/<figure>/g)?.length ?? 0, wrong);
  const { recall, precision, top5 } = evaluation.metrics.classes[0]!;
  const cells = [recall, precision, top5].map((part) =>
    `<td>${Number.isNaN(part) ? "–" : `${(part * 100).toFixed(2)} %`}</td>`
  ).join("");
  assertStringIncludes(html.slice(html.indexOf("<h2>Classes")), cells);
  assertEquals(comparisonRows([{ ...variant, evaluation }])[1].slice(3, 6), [
    "32",
    "center",
    ((1 - evaluation.metrics.top1) * 100).toFixed(2),
  ]);
});

Deno.test("labels and names of files are text in a report, wherever they stand", async () => {
  const hostile = (name: string) => `${name}"><img src=x onerror=alert(1)>\u202e`;
  const labels = ["first", "second"].map(hostile), file = hostile("no such file");
  const records = [{ ...record(0, 1, 0.9), file }, record(1, 1, 0.8)];
  const evaluation = {
    ...{ labels, records, metrics: metricsOf(records, labels), imagesPerSecond: 1 },
    ...{ failed: 1, skipped: [{ file, label: labels[0]!, reason: hostile("why") }] },
  };
  const settings = ["model", "backend", "precision", "mode", "scales"] as const;
  const [model, backend, precision, mode, scales] = settings.map(hostile) as [string, ...string[]];
  const variant = { model, backend, precision, mode, scales } as Omit<
    EvaluatedVariant,
    "evaluation"
  >;
  const title = hostile("title");
  const html = await htmlReport(title, [{ ...variant, evaluation }], []);
  assert(!html.includes("<img"), html);
  assert(!html.includes("\u202e"));
  for (const name of [...settings, "first", "second", "no such file", "why", "title"]) {
    assertStringIncludes(html, `${name}&quot;&gt;&lt;img src=x onerror=alert(1)&gt;`);
  }
});

Deno.test("parseVariants() reads words in any order, and names those it does not know", () => {
  const base: Variant = { models: [CIFAR10], classifier: { backend: "wasm" } };
  const text = "center; flip 32,40 dense precision=float; model=a+b.safetensors ten model=c";
  assertEquals(parseVariants(text, base), [
    { ...base, crops: "center" },
    {
      ...base,
      crops: "dense",
      scales: [32, 40],
      flip: true,
      classifier: { ...base.classifier, precision: "float" },
    },
    { ...base, crops: "ten", models: ["a+b.safetensors", "c"] },
  ]);
  for (const text of ["dnse", "model=", "center;;flip"]) {
    assertThrows(() => parseVariants(text, base), Error, "Option --compare");
  }
  assertThrows(() => parseVariants("backend=cuda", base), Error, '"wasm": found "cuda"');
});

Deno.test("evaluate() takes samples as they come, opens each once, and names classes by any name", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const whole = await evaluate(classifier, samples);
  const opened: string[] = [], totals: unknown[] = [];
  const coming = async function* (): AsyncGenerator<Sample> {
    for (const { file, label } of samples) {
      const image = async (): Promise<ReadableStream<Uint8Array>> => {
        opened.push(file);
        return (await Deno.open(file)).readable;
      };
      yield { file, image, label: model.labels[label]! };
    }
  };
  const streamed = await evaluate(classifier, coming(), {
    onProgress: ({ done, total }) => totals.push([done, total]),
  });
  assertEquals(streamed.records, whole.records);
  assertEquals(opened, samples.map(({ file }) => file));
  assertEquals(totals.at(-1), [4, 4]);
  const ambiguous = [{ ...samples[0]!, label: "no class" }];
  await assertRejects(() => evaluate(classifier, ambiguous), RangeError, samples[0]!.file);
});

Deno.test("a stream or response that was read says so, and what to give instead", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const stream = (await Deno.open(samples[1]!.file)).readable;
  const response = new Response(await Deno.readFile(samples[1]!.file));
  for (const image of [stream, response]) {
    await classifier.classify(image);
    await assertRejects(() => classifier.classify(image), TypeError, "a function that opens");
  }
});

Deno.test("the indices of a dataset are of its own labels, wherever the classifier has them", async () => {
  const dir = await Deno.makeTempDir();
  try {
    for (const [label, photo] of [["cat", "cat.png"], ["ship", "boats.jpg"]] as const) {
      await Deno.mkdir(join(dir, label));
      await Deno.copyFile(new URL(photo, PHOTOS), join(dir, label, photo));
    }
    await using classifier = await loadClassifier({ model: CIFAR10, backend: "wasm", threads: 1 });
    const dataset = await listSamples(dir);
    assertEquals(dataset.labels, ["cat", "ship"]);
    const { metrics, records } = await evaluate(classifier, dataset);
    assertEquals([metrics.top1, records.map(({ label }) => label)], [1, [3, 8]]);
    const known = await listSamples(dir, classifier.info.classes);
    assertEquals((await evaluate(classifier, known)).records, records);
    const strange = { labels: ["cat", "kitten"], samples: [{ file: "x", label: 1 }] };
    await assertRejects(() => evaluate(classifier, strange), RangeError, "kitten");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a picture that is too long to be looked at densely is that picture's error", async () => {
  await using classifier = classifierOn(model, floatEngine(model, weights));
  const side = model.architecture.input.height;
  const long = { width: 3 * 2 ** 22 / side, height: side };
  const image = { ...long, data: new Uint8Array(long.width * long.height * 3) };
  const mixed = [{ file: "long", image, label: 0 }, ...samples.slice(1, 2)];
  const failed: unknown[] = [];
  const { records } = await evaluate(classifier, mixed, {
    crops: "dense",
    onError: (file, error) => void failed.push([file, (error as Error).name]),
  });
  assertEquals(failed, [["long", "ImageTooLargeError"]]);
  assertEquals(records.map(({ file }) => file), [samples[1]!.file]);
});

Deno.test("an image whose class comes fifth is among the best five, one whose class comes sixth is not", async () => {
  await using classifier = await loadClassifier({ model: CIFAR10, backend: "wasm", threads: 1 });
  const file = new URL("cat.png", PHOTOS).pathname;
  const predictions = await classifier.classify(file, { topK: Infinity });
  const [fifth, sixth] = [predictions[4]!, predictions[5]!];
  for (const [{ index, score }, top5] of [[fifth, 1], [sixth, 0]] as const) {
    const { metrics, records } = await evaluate(classifier, [{ file, label: index }]);
    assertEquals([metrics.top1, metrics.top5, metrics.classes[index]!.top5], [0, top5, top5]);
    assertEquals(
      records[0]!.top,
      predictions.slice(0, 5).map(({ index, score }) => ({ index, score })),
    );
    assertEquals(records[0]!.score, score);
  }
});
