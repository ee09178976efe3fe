/** What is learned from inner products is what is learned from rows. */

import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { transformedRows, whitenBlocks } from "../../lib/train/blocks.ts";
import { stratifiedFolds } from "../../lib/train/folds.ts";
import { gramOf, sumsOfRows } from "../../lib/train/gram.ts";
import { learnByGram } from "../../lib/train/gram_head.ts";
import { gramPath } from "../../lib/train/gram_path.ts";
import { TrainingKernels } from "../../lib/train/kernels.ts";
import { learnLinear, STRENGTHS } from "../../lib/train/linear_head.ts";
import { type LogisticOptions, logisticPath } from "../../lib/train/logistic.ts";
import { inOneArray, rootRows, rowsAt, RowsInMemory } from "../../lib/train/rows.ts";
import { distance } from "../support/distance.ts";
import { random } from "../support/random_model.ts";

const kernels = await TrainingKernels.start(2);
// More values than are read at a time, more rows than are multiplied at a time, and none of them in full.
const COUNT = 150, LENGTHS = [530, 20], SIZE = 550, CLASSES = 3;
const next = random(6), labels = Int32Array.from({ length: COUNT }, (_, n) => n * 7 % CLASSES);
const rows = new RowsInMemory(
  Float32Array.from({ length: COUNT * SIZE }, (_, at) => {
    const n = Math.floor(at / SIZE), i = at % SIZE;
    return (i < LENGTHS[0]! ? 9 : 0.01) * (next() + 0.5 * Number(i % 11 === labels[n]));
  }),
  SIZE,
);
const all = Uint32Array.from(labels, (_, n) => n);
const EXACT = { tolerance: 1e-8 };

for (const whitening of ["none", "standardize", "pca"] as const) {
  Deno.test(`gramOf() gives the inner products of rows, and sumsOfRows() their sums: ${whitening}`, async () => {
    const transforms = await whitenBlocks(rows, all, LENGTHS, whitening);
    const { values } = await inOneArray(transformedRows(transforms, rows));
    const given = Float64Array.from({ length: 2 * COUNT }, () => next() - 0.5);
    const gram = await gramOf(kernels, rows, transforms);
    const found = gram.times(given, 2).slice();
    const sums = await sumsOfRows(kernels, rows, transforms, given, 2);
    const expected = new Float64Array(2 * SIZE), products = new Float64Array(2 * COUNT);
    for (let c = 0; c < 2; c++) {
      for (let n = 0; n < COUNT; n++) {
        for (let i = 0; i < SIZE; i++) {
          expected[c * SIZE + i]! += given[2 * n + c]! * values[n * SIZE + i]!;
        }
      }
      for (let n = 0; n < COUNT; n++) {
        for (let i = 0; i < SIZE; i++) {
          products[2 * n + c]! += values[n * SIZE + i]! * expected[c * SIZE + i]!;
        }
      }
    }
    // Inner products and sums are float32: of numbers that are up to 100 times those that are left.
    assert(distance(sums, expected) < 1e-6);
    assert(distance(found, products) < 1e-5);
  });
}

/** Weights that `logisticPath()` finds. */
async function weightsOf(
  positions: Uint32Array,
  strengths: readonly number[],
  options: LogisticOptions = EXACT,
) {
  const transforms = await whitenBlocks(rows, all, LENGTHS, "standardize");
  const own = { rows: transformedRows(transforms, rowsAt(rows, positions)), classes: CLASSES };
  const task = { ...own, labels: Array.from(positions, (n) => labels[n]!) };
  return await Array.fromAsync(logisticPath(kernels, task, strengths, options));
}

Deno.test("gramPath() finds the weights of logisticPath(), also of some of the rows alone", async () => {
  const strengths = [1, 30, 3000];
  const transforms = await whitenBlocks(rows, all, LENGTHS, "standardize");
  const { values } = await inOneArray(transformedRows(transforms, rows));
  for (const positions of [all, all.filter((n) => n % 5 > 0)]) {
    const expected = await weightsOf(positions, strengths);
    const own = Int32Array.from(labels, (label, n) => positions.includes(n) ? label : -1);
    const gram = await gramOf(kernels, rows, transforms);
    const found = await Array.fromAsync(
      gramPath({ gram, labels: own, classes: CLASSES }, strengths, EXACT),
    );
    for (const [at, { coefficients, logits, bias, converged }] of found.entries()) {
      const { weight, bias: expectedBias } = expected[at]!;
      assert(converged);
      // Inner products are float32.
      assert(distance(bias, expectedBias) < 1e-3);
      for (let n = 0; n < COUNT; n++) {
        const said = Float64Array.from(expectedBias);
        for (let c = 0; c < CLASSES; c++) {
          for (let i = 0; i < SIZE; i++) said[c]! += weight[c * SIZE + i]! * values[n * SIZE + i]!;
        }
        logits(n).forEach((value, c) => assertAlmostEquals(value, said[c]!, 1e-3));
      }
      const sums = await sumsOfRows(kernels, rows, transforms, coefficients, CLASSES);
      assert(distance(sums, weight) < 1e-3);
    }
  }
});

Deno.test("logisticPath() finds the same weights a few rows at a time", async () => {
  // More rows than values, which are not made shorter first.
  const length = 30, values = new Float32Array(COUNT * length);
  for (let n = 0; n < COUNT; n++) rows.read(n, values.subarray(n * length, (n + 1) * length));
  const task = { rows: new RowsInMemory(values, length), labels, classes: CLASSES };
  const learn = async (options: LogisticOptions) => {
    const exact = { tolerance: 1e-12, ...options };
    const [found] = await Array.fromAsync(logisticPath(kernels, task, [0.1], exact));
    return found!;
  };
  const expected = await learn({});
  for (const together of [7, COUNT + 1]) {
    const { weight, bias } = await learn({ together });
    // Sums in another order end elsewhere, at a gradient that is as short; float32 is exact to 6e-8 of itself.
    assert(distance(weight, expected.weight) < 1e-6, `${together}`);
    assert(distance(bias, expected.bias) < 1e-6, `${together}`);
  }
});

/** Rows of which a linear head that has no scale makes what others make of `rows` with the scale of all of them. */
async function scaledByAll(): Promise<RowsInMemory> {
  const roots = rootRows(rows), transforms = await whitenBlocks(roots, all, LENGTHS, "standardize");
  const { values } = await inOneArray(transformedRows(transforms, roots));
  const lengthAt = (at: number): number => at % SIZE < LENGTHS[0]! ? LENGTHS[0]! : LENGTHS[1]!;
  // It takes the roots, and divides each block by the root of its length.
  return new RowsInMemory(values.map((v, at) => lengthAt(at) * v * Math.abs(v)), SIZE);
}

Deno.test("learnByGram() learns what learnLinear() does, and ends as soon as it is aborted", async () => {
  const task = {
    ...{ rows, labels, classes: CLASSES, lengths: LENGTHS, whitening: "standardize" as const },
    classWeights: Float32Array.of(1, 0.5, 2),
    folds: stratifiedFolds(labels, CLASSES, { folds: 3 }),
  };
  const expected = await learnLinear(kernels, task);
  const steps: number[] = [], onStep = (done: number) => void steps.push(done);
  const found = await learnByGram(kernels, task, STRENGTHS, { onStep });
  assertEquals(steps, Array.from({ length: 24 }, (_, n) => n + 1));
  assertEquals(found.C, expected.C);
  assertEquals([found.scaledByAll, expected.scaledByAll], [true, false]);
  // Both end at a gradient of 1e-4 of that at first.
  assert(distance(found.layer.weight, expected.layer.weight) < 2e-3);
  assert(distance(found.layer.bias, expected.layer.bias) < 2e-3);
  // Deviations of 100 pictures and of 150 differ by some 4 %, the root of (1/100 - 1/150) / 2.
  assert(distance(found.validation.logits, expected.validation.logits) < 0.05);
  // Of pictures that have the scale of all already learnLinear() finds the same, but for rounding.
  const scaled = await learnLinear(kernels, {
    ...task,
    rows: await scaledByAll(),
    whitening: "none",
  });
  assertEquals(scaled.C, found.C);
  assert(distance(found.validation.logits, scaled.validation.logits) < 1e-4);
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => learnByGram(kernels, task, STRENGTHS, { signal }), Error, "enough");
});

Deno.test("learnByGram() expects classes as often as among all pictures, whatever is in a fold", async () => {
  // All of one class and a quarter of the others; each fold has most of a class, of which few are left to learn from.
  const kept = all.filter((n) => labels[n] === 0 || n % 4 === 0);
  const own = Int32Array.from(kept, (n) => labels[n]!);
  const folds = own.map((label, n) => n % 7 === 0 ? (label + 1) % 3 : label);
  const task = {
    ...{ rows: rowsAt(rows, kept), labels: own, classes: CLASSES, lengths: LENGTHS },
    ...{ whitening: "none" as const, classWeights: Float32Array.of(0.5, 2, 3), folds },
  };
  const expected = await learnLinear(kernels, task);
  const found = await learnByGram(kernels, task, STRENGTHS, {});
  assertEquals([found.C, found.scaledByAll], [expected.C, false]);
  // Without a scale nothing else differs, but for rounding.
  assert(distance(found.validation.logits, expected.validation.logits) < 1e-4);
});
