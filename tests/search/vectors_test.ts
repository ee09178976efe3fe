import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { similarity } from "../../lib/output/embedding.ts";
import { directionOf, Vectors } from "../../lib/search/vectors.ts";
import { randomFrom } from "../../lib/train/random.ts";

function randomBytes(count: number, seed: number): Int8Array {
  const next = randomFrom(seed);
  return Int8Array.from({ length: count }, () => Math.floor(next() * 255) - 127);
}

// Shorter than a register, not a multiple of one, and longer; more rows than one call of the kernel takes.
for (const length of [3, 16, 200, 512]) {
  Deno.test(`vectors of ${length} are compared as cosines of floats are`, () => {
    const vectors = new Vectors(length), count = 1100;
    const rows = Array.from({ length: count }, (_, n) => randomBytes(length, n + 1));
    rows.forEach((row, n) => vectors.put(n, row));
    const one = randomBytes(length, 77_777);
    for (const first of [0, 1, 1090]) {
      const cosines = new Float64Array(count - first);
      vectors.compare(one, first, cosines);
      // Rounding alone: the sums are integers.
      cosines.forEach((cosine, n) =>
        assertAlmostEquals(cosine, similarity(one, rows[first + n]!), 1e-12)
      );
    }
  });
}

Deno.test("the largest bytes do not overflow, and equal vectors have a cosine of exactly 1", () => {
  const vectors = new Vectors(512);
  const rows = [127, -127, 1].map((value) => new Int8Array(512).fill(value));
  rows.forEach((row, n) => vectors.put(n, row));
  const cosines = new Float64Array(3);
  for (const row of rows) {
    vectors.compare(row, 0, cosines);
    assertEquals(cosines.map((cosine) => Math.abs(cosine)), Float64Array.of(1, 1, 1));
  }
  vectors.compare(rows[1]!, 0, cosines);
  assertEquals([...cosines], [-1, 1, -1]);
});

Deno.test("zeros are like nothing, and vectors without values too", () => {
  for (const length of [20, 0]) {
    const vectors = new Vectors(length);
    vectors.put(0, new Int8Array(length));
    const cosines = Float64Array.of(-1);
    vectors.compare(new Int8Array(length), 0, cosines);
    assertEquals([...cosines], [0]);
  }
});

Deno.test("rows are what was put there, through moves and growth", () => {
  const vectors = new Vectors(40);
  for (let n = 0; n < 3000; n++) vectors.put(n, new Int8Array(40).fill(n % 100 + 1));
  vectors.move(2999, 7);
  assertEquals([vectors.row(0), vectors.row(7), vectors.row(2998)].map((row) => row[39]), [
    1,
    100,
    99,
  ]);
  vectors.put(7, randomBytes(40, 1));
  const cosines = new Float64Array(1);
  vectors.compare(randomBytes(40, 1), 7, cosines);
  assertEquals(cosines[0], 1);
  assertThrows(
    () => new Vectors(2 ** 16).put(2 ** 16, new Int8Array(2 ** 16)),
    RangeError,
    "4 GiB",
  );
});

Deno.test("the direction of values in bytes is theirs within half a step", () => {
  const next = randomFrom(5);
  const values = Float64Array.from({ length: 512 }, () => next() * 3e-4);
  const bytes = directionOf(values);
  assertEquals(Math.max(...bytes), 127);
  const most = Math.max(...values);
  bytes.forEach((byte, i) => assertEquals(Math.abs(byte - values[i]! / most * 127) <= 0.5, true));
  assertEquals([...directionOf(new Float32Array(3))], [0, 0, 0]);
  assertEquals([...directionOf(Float32Array.of(-2, 1))], [-127, 64]);
});
