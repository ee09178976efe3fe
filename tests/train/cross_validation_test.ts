import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { crossValidate, type Learner } from "../../lib/train/cross_validation.ts";
import { NEVER, stratifiedFolds } from "../../lib/train/folds.ts";
import { TrainingKernels } from "../../lib/train/kernels.ts";
import { layerLogits } from "../../lib/train/blocks.ts";
import { rootsOf } from "../../lib/output/roots.ts";
import { learnLinear, type LinearTask, STRENGTHS } from "../../lib/train/linear_head.ts";
import { RowsInMemory } from "../../lib/train/rows.ts";
import { random } from "../support/random_model.ts";
import { rightPart } from "../support/right_part.ts";

/** How many pictures of each class each fold has: `[fold][class]`. */
function countsOf(folds: Int32Array, labels: readonly number[], classes: number): number[][] {
  return Array.from({ length: Math.max(...folds) + 1 }, (_, fold) =>
    Array.from(
      { length: classes },
      (_, c) => labels.filter((label, n) => label === c && folds[n] === fold).length,
    ));
}

Deno.test("stratifiedFolds() gives each fold as many of each class, and about as many in all", () => {
  const labels = Array.from({ length: 103 }, (_, n) => n % 7 < 4 ? 0 : n % 7 - 3);
  for (const seed of [0, 1, 2]) {
    const counts = countsOf(stratifiedFolds(labels, 4, { seed }), labels, 4);
    assertEquals(counts.length, 5);
    for (let c = 0; c < 4; c++) {
      const own = counts.map((fold) => fold[c]);
      assert(Math.max(...own) - Math.min(...own) <= 1, `class ${c}: ${own}`);
    }
    const all = counts.map((fold) => fold.reduce((a, b) => a + b));
    assert(Math.max(...all) - Math.min(...all) <= 1, `${all}`);
  }
  assertEquals(stratifiedFolds(labels, 4, { seed: 3 }), stratifiedFolds(labels, 4, { seed: 3 }));
  const [a, b] = [3, 4].map((seed) => stratifiedFolds(labels, 4, { seed }));
  assert(a.some((fold, n) => fold !== b[n]));
});

Deno.test("stratifiedFolds() keeps together what belongs together", () => {
  const labels = Array.from({ length: 60 }, (_, n) => n % 3);
  const together = labels.map((_, n) => n < 24 ? Math.floor(n / 4) : n);
  const folds = stratifiedFolds(labels, 3, { together, folds: 4 });
  together.forEach((number, n) => assertEquals(folds[n], folds[together.indexOf(number)]));
  for (const fold of countsOf(folds, labels, 3)) {
    fold.forEach((own) => assert(own >= 3 && own <= 7));
  }
});

Deno.test("whichever fold is kept back, each class has a picture to learn from", () => {
  const next = random(9);
  for (let seed = 0; seed < 200; seed++) {
    const count = 2 + Math.floor(next() * 20), classes = 1 + Math.floor(next() * 6);
    const labels = Array.from({ length: count }, () => Math.floor(next() * classes));
    const together = labels.map((_, n) => next() < 0.5 ? n : Math.floor(next() * count));
    const folds = stratifiedFolds(labels, classes, { together, folds: 2 + seed % 4, seed });
    for (const kept of new Set(folds)) {
      if (kept === NEVER) continue;
      const left = new Set(labels.filter((_, n) => folds[n] !== kept));
      assertEquals(left, new Set(labels), `${labels} ${together} ${folds}`);
    }
  }
  // No more than it takes.
  const never = Array.from(stratifiedFolds([0, 0, 1, 2, 2, 2], 3), (fold) => fold === NEVER);
  assertEquals(never, [false, false, true, false, false, false]);
});

/** Setting 1 knows the class from the picture's number; 0 does not, and 2 is too sure, and wrong once. */
const learn: Learner = async function* (_train, held) {
  for (
    const logits of [
      (): number[] => [0.1, 0],
      (n: number): number[] => n % 2 === 0 ? [2, 0] : [0, 2],
      (n: number): number[] => n % 2 === 0 && n > 0 ? [20, 0] : [0, 20],
    ]
  ) {
    yield Float64Array.from(Array.from(held).flatMap(logits));
  }
};

Deno.test("crossValidate() judges each picture by what learned from the others, and takes the best", async () => {
  const labels = Array.from({ length: 11 }, (_, n) => n % 2),
    folds = stratifiedFolds(labels, 2, { folds: 3 });
  const asked: [number[], number[]][] = [], steps: number[][] = [];
  const watched: Learner = (train, held) => {
    asked.push([[...train], [...held]]);
    return learn(train, held);
  };
  const task = { labels, classes: 2, folds };
  const found = await crossValidate(task, 3, watched, (done, total) => steps.push([done, total]));
  assertEquals(asked.length, 3);
  for (const [train, held] of asked) {
    assertEquals([...train, ...held].sort((a, b) => a - b), labels.map((_, n) => n));
    assertEquals(new Set(held.map((n) => folds[n])).size, 1);
  }
  assertEquals(steps.map(([done]) => done), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(new Set(steps.map(([, total]) => total)), new Set([9]));
  assertEquals(found.best, 1);
  assertEquals(found.logits, Float64Array.from(labels.flatMap((c) => c === 0 ? [2, 0] : [0, 2])));
  const [, sure, wrong] = found.crossEntropies;
  // A temperature gives the likeliest class what is likely for it, as eleven of eleven are right, or ten.
  const likely = (right: number): number => (right * 12 + 11 - right) / 13 / 11;
  assertAlmostEquals(sure, -Math.log(likely(11)), 1e-6);
  // One of the six of class 0 is wrong, and each class counts the same.
  const own = Math.log(likely(10)), other = Math.log(1 - likely(10));
  assertAlmostEquals(wrong, -((5 * own + other) / 6 + own) / 2, 1e-6);
});

Deno.test("classes of one to three pictures break nothing", async () => {
  const labels = [0, 1, 1, 2, 2, 2, ...Array.from({ length: 20 }, () => 3)];
  const folds = stratifiedFolds(labels, 4),
    all: Learner = async function* (_, held) {
      yield new Float64Array(4 * held.length);
    };
  const found = await crossValidate({ labels, classes: 4, folds }, 1, all);
  assertEquals([...found.logits].map(Number.isNaN), labels.flatMap((c) => Array(4).fill(c === 0)));
  const single = { labels: [0, 1], classes: 2, folds: stratifiedFolds([0, 1], 2) };
  const alone = await crossValidate(single, 5, all);
  assertEquals([alone.best, [...alone.logits].every(Number.isNaN)], [2, true]);
});

/** Pictures of which two blocks tell the class, of very different scales. */
function linearTask(
  perClass: readonly number[],
): LinearTask & { readonly rows: RowsInMemory } {
  const next = random(3), labels = perClass.flatMap((count, c) => Array<number>(count).fill(c));
  const length = 6,
    rows = Float32Array.from({ length: labels.length * 2 * length }, (_, at) => {
      const c = labels[Math.floor(at / (2 * length))], i = at % (2 * length);
      const value = next() + next() - 1 + Number(i % length === c);
      return i < length ? 50 + 9 * value : 0.01 * value;
    });
  const classes = perClass.length;
  return {
    ...{ labels, classes, lengths: [length, length], whitening: "standardize" },
    rows: new RowsInMemory(rows, 2 * length),
    folds: stratifiedFolds(labels, classes),
    classWeights: new Float32Array(classes).fill(1),
  };
}

const kernels = await TrainingKernels.start();

Deno.test("learnLinear() finds what tells classes apart, and says truly how well", async () => {
  const task = linearTask([40, 30, 50]);
  const { layer, C, validation: { best, logits } } = await learnLinear(kernels, task);
  assertEquals(C, STRENGTHS[best]);
  // Of the same distribution, to be judged by what was learned from all of `task`.
  const others = linearTask([400, 400, 400]),
    found = layerLogits(layer, Float32Array.from(rootsOf(others.rows.values.subarray(12 * 120))));
  const outOfFold = rightPart(logits, task.labels);
  const truth = rightPart(found, Array.from(others.labels).slice(120));
  // A standard deviation of 120 pictures is 0.03.
  assert(Math.abs(outOfFold - truth) < 0.08, `${outOfFold} ${truth}`);
  assert(truth > 0.85);
});

Deno.test("learnLinear() whitens as it is told, and folds that into its layer", async () => {
  const task = linearTask([12, 12]), rows = Float32Array.from(rootsOf(task.rows.values));
  for (const whitening of ["none", "pca", "zca"] as const) {
    const { layer, validation } = await learnLinear(kernels, { ...task, whitening });
    const logits = layerLogits(layer, rows);
    const right = Array.from(
      task.labels,
      (label, n) => Number(logits[2 * n + label] > logits[2 * n + 1 - label]) as number,
    );
    assert(right.reduce((a, b) => a + b) >= 21, whitening);
    assert(rightPart(validation.logits, task.labels) > 0.7, whitening);
  }
});

Deno.test("learnLinear() judges a picture that is whitened as one is that nobody has seen", async () => {
  const next = random(5), size = 40, count = 48, lengths = [size];
  const drawn = (): Float32Array => Float32Array.from({ length: count * size }, () => next() - 0.5);
  const labels = Array.from({ length: count }, (_, n) => n % 2);
  const rows = new RowsInMemory(drawn(), size);
  const folds = stratifiedFolds(labels, 2), classWeights = Float32Array.of(1, 1);
  const task = { rows, labels, classes: 2, lengths, folds, classWeights };
  /** How far apart the logits of the two classes are. */
  const distance = (logits: Float64Array): number =>
    Math.hypot(...labels.map((_, n) => logits[2 * n]! - logits[2 * n + 1]!));
  for (const whitening of ["standardize", "pca", "zca"] as const) {
    const { layer, validation } = await learnLinear(kernels, { ...task, whitening });
    const ratio = distance(validation.logits) /
      distance(layerLogits(layer, Float32Array.from(rootsOf(drawn()))));
    assert(ratio > 0.6 && ratio < 1.6, `${whitening}: ${ratio}`);
  }
});

Deno.test("learnLinear() tells nothing apart that has nothing to tell it by", async () => {
  const task = linearTask([40, 40]), labels = Array.from(task.labels, (_, n) => n % 2);
  const { validation } = await learnLinear(kernels, { ...task, labels });
  // A standard deviation of 80 pictures is 0.06.
  const right = rightPart(validation.logits, labels);
  assert(right > 0.3 && right < 0.7, `${right}`);
});

Deno.test("learnLinear() expects each class as often as its weight says", async () => {
  const task = linearTask([20, 10]), rows = new RowsInMemory(task.rows.values.map(() => 1), 12);
  for (const [classWeights, expected] of [[[1, 1], -Math.log(2)], [[0.75, 1.5], 0]] as const) {
    const { layer, validation } = await learnLinear(kernels, { ...task, rows, classWeights });
    // Learning ends at a gradient of 1e-4 of that at first.
    assertAlmostEquals(layer.bias[1] - layer.bias[0], expected, 1e-3);
    for (let n = 0; n < 30; n++) {
      assertAlmostEquals(validation.logits[2 * n + 1] - validation.logits[2 * n], expected, 1e-3);
    }
  }
});

Deno.test("learnLinear() learns from one picture a class", async () => {
  const task = linearTask([1, 1, 1]);
  const { layer, validation } = await learnLinear(kernels, task);
  assert([...validation.logits].every(Number.isNaN), "nothing is judged");
  const logits = layerLogits(layer, Float32Array.from(rootsOf(task.rows.values)));
  for (let n = 0; n < 3; n++) {
    const own = [...logits.subarray(3 * n, 3 * n + 3)];
    assertEquals(own.indexOf(Math.max(...own)), n);
  }
});

Deno.test("learnLinear() gives the same bits each time, and ends as soon as it is aborted", async () => {
  const task = linearTask([8, 9]);
  const once = await learnLinear(kernels, task);
  assertEquals(await learnLinear(kernels, task), once);
  const controller = new AbortController();
  const done: number[] = [];
  await assertRejects(
    () =>
      learnLinear(kernels, task, {
        signal: controller.signal,
        onStep: (n) => {
          done.push(n);
          if (n === 4) controller.abort(new Error("enough"));
        },
      }),
    Error,
    "enough",
  );
  assertEquals(done, [1, 2, 3, 4]);
});
