import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  foldBlocks,
  layerLogits,
  rowLogits,
  transformedRows,
  whitenBlocks,
} from "../../lib/train/blocks.ts";
import { inOneArray, rowsAt, RowsInMemory } from "../../lib/train/rows.ts";
import type { Whitening } from "../../lib/train/statistics.ts";
import { random } from "../support/random_model.ts";

const COUNT = 200, LENGTHS = [3, 5], SIZE = 8, LEARNED = 150;

/** Blocks of very different scales. */
const next = random(5);
const values = Float32Array.from(
  { length: COUNT * SIZE },
  (_, at) => at % SIZE < LENGTHS[0] ? 100 + 40 * next() : 0.01 * (next() + at % SIZE),
);
const rows = new RowsInMemory(values, SIZE);
/** Every row but the first ones, which nothing is learned from. */
const positions = Array.from({ length: LEARNED }, (_, n) => COUNT - LEARNED + n);
const all = Array.from({ length: COUNT }, (_, n) => n);

const KINDS: readonly Whitening[] = ["none", "standardize", "pca", "zca"];

for (const kind of KINDS) {
  Deno.test(`a layer folded over ${kind} does on rows what it did on transformed ones`, async () => {
    const transforms = await whitenBlocks(rows, positions, LENGTHS, kind);
    const layer = {
      weight: Float32Array.from({ length: 3 * SIZE }, () => next() - 0.5),
      bias: Float32Array.of(1, 2, 3),
    };
    const expected = await rowLogits(layer, transformedRows(transforms, rows));
    const found = layerLogits(foldBlocks(transforms, layer), values);
    assertEquals(found.length, COUNT * 3);
    // Folded weights and biases are float32: logits of some 50 standard deviations, to 6e-8 each.
    expected.forEach((value, i) => assertAlmostEquals(found[i], value, 1e-4));
  });
}

for (const kind of KINDS.slice(1)) {
  Deno.test(`${kind} gives each block a mean square of its part of 1, from the rows it is told`, async () => {
    const transforms = await whitenBlocks(rows, positions, LENGTHS, kind);
    const found = (await inOneArray(transformedRows(transforms, rowsAt(rows, positions)))).values;
    let first = 0;
    for (const length of LENGTHS) {
      let squares = 0, sum = 0;
      for (let n = 0; n < LEARNED; n++) {
        for (let i = first; i < first + length; i++) {
          squares += found[n * SIZE + i] ** 2;
          sum += found[n * SIZE + i];
        }
      }
      // What hardly varies is not blown up: a hundredth of the mean variance is added to each.
      assert(Math.abs(squares / LEARNED - 1 / 1.01) < 0.01, `${squares / LEARNED}`);
      assertAlmostEquals(sum / LEARNED, 0, 1e-5);
      first += length;
    }
    // The other rows change nothing.
    const others = new RowsInMemory(
      values.slice().fill(7, 0, (COUNT - LEARNED) * SIZE),
      SIZE,
    );
    assertEquals(await whitenBlocks(others, positions, LENGTHS, kind), transforms);
  });
}

Deno.test("whitenBlocks(), inOneArray() and rowLogits() end as soon as they are aborted", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(
    () => whitenBlocks(rows, all, LENGTHS, "standardize", signal),
    Error,
    "enough",
  );
  const transforms = await whitenBlocks(rows, all, LENGTHS, "standardize");
  const transformed = transformedRows(transforms, rows);
  await assertRejects(() => inOneArray(transformed, signal), Error, "enough");
  const layer = { weight: new Float32Array(SIZE), bias: new Float32Array(1) };
  await assertRejects(() => rowLogits(layer, transformed, signal), Error, "enough");
});
