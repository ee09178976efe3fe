import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { directionOf, nearestGradient, nearestLogits } from "../../lib/output/nearest.ts";
import type { NearestReadout } from "../../lib/model/readout.ts";
import { random } from "../support/random_model.ts";

const LENGTHS = [3, 5], SIZE = 8, CLASSES = 3;

/** A row of features, of very different scales in its two blocks. */
function rowFrom(next: () => number): Float64Array {
  return Float64Array.from({ length: SIZE }, (_, i) => (i < LENGTHS[0] ? 1000 : 0.01) * next());
}

/** Examples of the classes, and the rows that they were. */
function headOf(labels: readonly number[]): [NearestReadout, Float64Array[]] {
  const next = random(12), rows = labels.map(() => rowFrom(next));
  const examples = Float32Array.from(rows.flatMap((row) => [...directionOf(row, LENGTHS)]));
  const classes = Float32Array.from(labels);
  return [{ kind: "nearest", lengths: LENGTHS, examples, classes }, rows];
}

/** The mean, over the blocks, of Bhattacharyya's coefficient of two rows' parts of the block's sum. */
function overlap(a: Float64Array, b: Float64Array): number {
  let first = 0, mean = 0;
  for (const length of LENGTHS) {
    const parts = (row: Float64Array): number[] => {
      const own = [...row.subarray(first, first + length)], sum = own.reduce((x, y) => x + y);
      return own.map((value) => value / sum);
    };
    const [p, q] = [parts(a), parts(b)];
    mean += p.reduce((sum, value, i) => sum + Math.sqrt(value * q[i]), 0) / LENGTHS.length;
    first += length;
  }
  return mean;
}

Deno.test("a class's logit is the log of the mean of its examples' likeness, however many there are", () => {
  const labels = [0, 1, 0, 0, 1, 0, 0], [head, rows] = headOf(labels), row = rowFrom(random(5));
  const found = nearestLogits(head, row, CLASSES);
  for (const c of [0, 1]) {
    const own = rows.filter((_, n) => labels[n] === c).map((other) =>
      Math.exp(50 * overlap(row, other))
    );
    const mean = own.reduce((a, b) => a + b) / own.length;
    // Examples are float32.
    assertAlmostEquals(found[c], Math.log(mean), 1e-4);
  }
  // No example can be less like it than by -1.
  assertEquals(found[2], -50);
  const [twice] = headOf(labels);
  const doubled = {
    ...twice,
    examples: Float32Array.of(...twice.examples, ...twice.examples),
    classes: Float32Array.of(...twice.classes, ...twice.classes),
  };
  nearestLogits(doubled, row, CLASSES).forEach((value, c) =>
    assertAlmostEquals(value, found[c], 1e-9)
  );
});

Deno.test("the scale of a row and of its blocks does not matter, nor do rows of zeros", () => {
  const [head] = headOf([0, 1, 2]), row = rowFrom(random(5));
  const found = nearestLogits(head, row, CLASSES);
  const scaled = row.map((value, i) => value * (i < LENGTHS[0] ? 1e-3 : 1e5));
  nearestLogits(head, scaled, CLASSES).forEach((value, c) =>
    assertAlmostEquals(value, found[c], 1e-9)
  );
  assertEquals(nearestLogits(head, new Float64Array(SIZE), CLASSES), new Float64Array(CLASSES));
  const direction = directionOf(row.map((value, i) => i === 4 ? -value : value), LENGTHS);
  assert(direction[4] < 0);
  assertAlmostEquals(direction.reduce((sum, value) => sum + value * value, 0), 1, 1e-12);
});

Deno.test("nearestGradient() is how a logit changes, as small changes of each feature tell", () => {
  const [head] = headOf([0, 1, 0, 0, 1, 2, 0]), row = rowFrom(random(5));
  row[1] = -row[1];
  row[6] = 0;
  for (let c = 0; c < CLASSES; c++) {
    const gradient = nearestGradient(head, row, c);
    assertEquals(gradient[6], 0);
    for (let i = 0; i < SIZE; i++) {
      if (i === 6) continue;
      const step = 1e-6 * row[i],
        at = (sign: number): Float64Array =>
          row.map((value, j) => j === i ? value + sign * step : value);
      const expected =
        (nearestLogits(head, at(1), CLASSES)[c] - nearestLogits(head, at(-1), CLASSES)[c]) /
        (2 * step);
      // Differences of float64 over a millionth.
      assert(Math.abs(gradient[i] / expected - 1) < 1e-5, `${gradient[i]} ${expected}`);
    }
  }
});
