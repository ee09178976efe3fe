import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { TrainingKernels } from "../../lib/train/kernels.ts";
import { rowSpace } from "../../lib/train/row_space.ts";
import { random } from "../support/random_model.ts";

const kernels = await TrainingKernels.start();

/** `[count, length]`; every seventh row is the one before it again. */
function rowsOf(count: number, length: number): Float32Array {
  const next = random(4), rows = Float32Array.from({ length: count * length }, () => next() - 0.5);
  for (let n = 6; n < count; n += 7) rows.copyWithin(n * length, (n - 1) * length, n * length);
  return rows;
}

function product(a: Float32Array, i: number, b: Float32Array, j: number, length: number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += a[i * length + k] * b[j * length + k];
  return sum;
}

for (const [count, length] of [[5, 9], [70, 200], [131, 140]]) {
  Deno.test(`${count} rows of ${length} keep their inner products, and weights their say`, async () => {
    const rows = rowsOf(count, length), short = await rowSpace(kernels, rows, count);
    assertEquals(short.rows.length, count * count);
    const next = random(8), weight = Float32Array.from({ length: 2 * count }, () => next() - 0.5);
    // No row is in a direction that only a later copy of it could have.
    for (let n = 6; n < count; n += 7) weight[n] = weight[count + n] = 0;
    const back = short.back(weight);
    assertEquals(back.length, 2 * length);
    // Values of up to 17 as float32.
    for (let i = 0; i < count; i++) {
      for (let j = 0; j <= i; j++) {
        const expected = product(rows, i, rows, j, length);
        assertAlmostEquals(product(short.rows, i, short.rows, j, count), expected, 1e-5);
      }
      for (let c = 0; c < 2; c++) {
        const expected = product(short.rows, i, weight, c, count);
        assertAlmostEquals(product(rows, i, back, c, length), expected, 1e-4);
      }
    }
    // The same penalty: they are as long.
    const squares = product(weight, 0, weight, 0, count);
    assert(Math.abs(product(back, 0, back, 0, length) / squares - 1) < 1e-4);
  });
}

Deno.test("rowSpace() ends as soon as it is aborted", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => rowSpace(kernels, rowsOf(3, 5), 3, signal), Error, "enough");
});
