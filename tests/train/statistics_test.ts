import { assert, assertAlmostEquals, assertRejects, assertThrows } from "@std/assert";
import { eigen, foldTransform, Statistics, transformed } from "../../lib/train/statistics.ts";
import { random } from "../support/random_model.ts";

const SIZE = 6, COUNT = 400;

/** Correlated vectors with a large mean. */
function vectors(): Float64Array[] {
  const next = random(11);
  return Array.from({ length: COUNT }, () => {
    const source = Array.from({ length: SIZE }, () => next() - 0.5);
    return Float64Array.from(
      source,
      (value, i) => 1000 + value * (i + 1) + 2 * source[0] + source[(i + 1) % SIZE],
    );
  });
}

/** Mean and covariance in two passes, by definition. */
function twoPasses(all: readonly ArrayLike<number>[]): { mean: number[]; covariance: number[][] } {
  const size = all[0].length, at = Array.from({ length: size }, (_, i) => i);
  const mean = at.map((i) => all.reduce((sum, v) => sum + v[i], 0) / all.length);
  const covariance = at.map((i) =>
    at.map((j) => all.reduce((s, v) => s + (v[i] - mean[i]) * (v[j] - mean[j]), 0) / all.length)
  );
  return { mean, covariance };
}

Deno.test("Statistics finds in one pass what two passes find", () => {
  const all = vectors(), plain = new Statistics(SIZE), full = new Statistics(SIZE, true);
  all.forEach((vector) => {
    plain.add(vector);
    full.add(vector);
  });
  const { mean, covariance } = twoPasses(all);
  for (const statistics of [plain, full]) {
    mean.forEach((value, i) => assertAlmostEquals(statistics.mean[i], value, 1e-9));
    covariance.forEach((row, i) => assertAlmostEquals(statistics.variance[i], row[i], 1e-9));
  }
});

for (const whitening of ["pca", "zca"] as const) {
  Deno.test(`after ${whitening} whitening the covariance is the identity`, async () => {
    const all = vectors(), statistics = new Statistics(SIZE, true);
    all.forEach((vector) => statistics.add(vector));
    const transform = await statistics.transform(whitening, 1e-9);
    const white = all.map((vector) => {
      const into = new Float32Array(SIZE);
      transformed(transform, vector, into);
      return into;
    });
    const { mean, covariance } = twoPasses(white);
    mean.forEach((value) => assertAlmostEquals(value, 0, 1e-4));
    covariance.forEach((row, i) =>
      row.forEach((value, j) => assertAlmostEquals(value, i === j ? 1 : 0, 1e-4))
    );
    if (whitening === "pca") return;
    // Of all whitenings ZCA is the symmetric one: it turns nothing.
    const { matrix } = transform;
    for (let i = 0; i < SIZE; i++) {
      for (let j = 0; j < i; j++) {
        assertAlmostEquals(matrix![i * SIZE + j], matrix![j * SIZE + i], 1e-9);
      }
    }
  });
}

Deno.test("standardized values have mean 0 and variance 1", async () => {
  const all = vectors(), statistics = new Statistics(SIZE);
  all.forEach((vector) => statistics.add(vector));
  const transform = await statistics.transform("standardize", 1e-9);
  const { mean, covariance } = twoPasses(all.map((vector) => {
    const into = new Float32Array(SIZE);
    transformed(transform, vector, into);
    return into;
  }));
  mean.forEach((value) => assertAlmostEquals(value, 0, 1e-4));
  covariance.forEach((row, i) => assertAlmostEquals(row[i], 1, 1e-4));
});

for (const whitening of ["none", "standardize", "pca", "zca"] as const) {
  Deno.test(`foldTransform() gives the layer that needs no ${whitening}`, async () => {
    const all = vectors(), statistics = new Statistics(SIZE, true);
    all.forEach((vector) => statistics.add(vector));
    const transform = await statistics.transform(whitening);
    const next = random(2);
    const weight = Float32Array.from({ length: 2 * SIZE }, () => next() - 0.5);
    const bias = Float32Array.of(0.25, -0.5);
    const folded = foldTransform(transform, weight, bias);
    const apply = (w: Float32Array, b: Float32Array, x: ArrayLike<number>, o: number): number =>
      b[o] + Array.from(x, (v, i) => v * w[o * SIZE + i]).reduce((sum, v) => sum + v);
    const into = new Float32Array(SIZE);
    transformed(transform, all[7], into);
    for (const o of [0, 1]) {
      // The folded weights are float32, and multiply values of about 1000.
      assertAlmostEquals(
        apply(folded.weight, folded.bias, all[7], o),
        apply(weight, bias, into, o),
        2e-3,
      );
    }
  });
}

Deno.test("eigen() takes a symmetric matrix apart, largest value first", async () => {
  // Of [[2, 1], [1, 2]]: 3 along (1, 1), 1 along (1, -1).
  const { values, vectors } = await eigen(Float64Array.of(2, 1, 1, 2), 2);
  assertAlmostEquals(values[0], 3, 1e-12);
  assertAlmostEquals(values[1], 1, 1e-12);
  assertAlmostEquals(Math.abs(vectors[0] + vectors[1]), Math.SQRT2, 1e-12);
  assert(vectors[2] * vectors[3] < 0);
});

Deno.test("whitening of too many values is refused", () => {
  assertThrows(() => new Statistics(2000, true), RangeError, "use standardize");
});

Deno.test("eigen() of many axes can be aborted", async () => {
  const size = 400, next = random(1);
  const matrix = Float64Array.from({ length: size * size }, next);
  const signal = AbortSignal.timeout(50);
  await assertRejects(() => eigen(matrix, size, signal), DOMException);
});
