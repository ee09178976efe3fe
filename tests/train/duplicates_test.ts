import { assertEquals, assertRejects } from "@std/assert";
import { averagedRows, duplicatesOf } from "../../lib/train/duplicates.ts";
import { TrainingKernels } from "../../lib/train/kernels.ts";
import { directionsOf } from "../../lib/train/nearest.ts";
import { RowsInMemory } from "../../lib/train/rows.ts";
import { random } from "../support/random_model.ts";

const kernels = await TrainingKernels.start();
const LENGTHS = [30, 20], SIZE = 50, COUNT = 150;

/** Pictures of two classes; `spread` is how much those of a class differ. */
function picturesOf(spread: number) {
  const next = random(8), labels = Array.from({ length: COUNT }, (_, n) => n % 2);
  const typical = [0, 1].map(() => Float32Array.from({ length: SIZE }, next));
  const features = Float32Array.from(
    { length: COUNT * SIZE },
    (_, at) => typical[labels[Math.floor(at / SIZE)]][at % SIZE] + spread * next(),
  );
  return {
    features,
    labels,
    classes: 2,
    fingerprints: labels.map((_, n) => `${n}`),
  };
}

type Compared = ReturnType<typeof picturesOf>;

/** Finds those that show the same. */
async function found(
  { features, labels, classes, fingerprints }: Compared,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const directions = await directionsOf(new RowsInMemory(features, SIZE), LENGTHS);
  return await duplicatesOf(kernels, { directions, labels, classes, fingerprints }, signal);
}

/** Makes picture `n` of another, with its values changed by a part of them at most. */
function alter(features: Float32Array, n: number, from: number, part: number): void {
  const next = random(n);
  for (let i = 0; i < SIZE; i++) {
    features[n * SIZE + i] = features[from * SIZE + i] * (1 + part * (next() - 0.5));
  }
}

const alone = Int32Array.from({ length: COUNT }, (_, n) => n);

for (const spread of [1, 0.01]) {
  Deno.test(`duplicatesOf() finds altered copies, whatever is usual: pictures that differ by ${spread}`, async () => {
    const pictures = picturesOf(spread), { features } = pictures;
    assertEquals(await found(pictures), alone);
    // Of another class, of its own, and of a copy.
    alter(features, 101, 40, 0.1 * spread);
    alter(features, 80, 40, 0.1 * spread);
    alter(features, 149, 101, 0.1 * spread);
    // Another picture of the same kind is none.
    alter(features, 120, 41, 3 * spread);
    const expected = alone.slice();
    expected[101] = expected[80] = expected[149] = 40;
    assertEquals(await found(pictures), expected);
  });
}

Deno.test("pictures with the same pixels are the same, whatever their features", async () => {
  const pictures = picturesOf(1), { fingerprints } = pictures;
  fingerprints[7] = fingerprints[90] = fingerprints[3];
  const expected = alone.slice();
  expected[7] = expected[90] = 3;
  assertEquals(await found(pictures), expected);
});

Deno.test("what is usual of one class is not asked of another whose pictures are more alike", async () => {
  const pictures = picturesOf(1), { features } = pictures;
  const narrow = picturesOf(0.1).features;
  for (let n = 0; n < COUNT; n += 2) {
    features.set(narrow.subarray(n * SIZE, (n + 1) * SIZE), n * SIZE);
  }
  assertEquals(await found(pictures), alone);
  alter(features, 81, 41, 0.1);
  alter(features, 80, 40, 0.01);
  const expected = alone.slice();
  expected[81] = 41;
  expected[80] = 40;
  assertEquals(await found(pictures), expected);
});

Deno.test("what is usual of a large class is told by pictures from all of it, not by the next ones", async () => {
  // Of pictures that change slowly, as those of a film, the next ones are more alike than others: each has two values
  // for where it is on a half circle, and one of its own.
  const count = 300, size = count + 3, directions = new Float32Array(count * size);
  const put = (n: number, parts: readonly (readonly [at: number, value: number])[]): void => {
    const length = Math.hypot(...parts.map(([, value]) => value));
    const row = directions.subarray(n * size, (n + 1) * size).fill(0);
    for (const [at, value] of parts) row[at] = value / length;
  };
  const place = (n: number) => {
    const angle = Math.PI * n / count;
    return [[0, 3 * Math.cos(angle)], [1, 3 * Math.sin(angle)], [3 + n, 1]] as const;
  };
  for (let n = 0; n < count; n++) put(n, place(n));
  const labels = new Array<number>(count).fill(0), fingerprints = labels.map((_, n) => `${n}`);
  const compared = () =>
    duplicatesOf(kernels, {
      directions: directions.slice(),
      ...{ labels, classes: 1, fingerprints },
    });
  const expected = Int32Array.from({ length: count }, (_, n) => n);
  assertEquals(await compared(), expected);
  // At a distance of 0.04 from picture 100: a sixth of 0.36, which is usual of half circles, is more, and a sixth of
  // 0.15, which its next 64 pictures have, is less.
  const far = Math.tan(Math.acos(1 - 0.04)) * Math.hypot(...place(100).map(([, value]) => value));
  put(250, [...place(100), [2, far]]);
  expected[250] = 100;
  assertEquals(await compared(), expected);
});

Deno.test("one picture a class is enough, and none are no problem", async () => {
  const { features, fingerprints } = picturesOf(1);
  const few = { features: features.slice(0, 2 * SIZE), labels: [0, 1], classes: 2 };
  const own = fingerprints.slice(0, 2);
  assertEquals(await found({ ...few, fingerprints: own }), Int32Array.of(0, 1));
  const none = { features: new Float32Array(), labels: [], classes: 2, fingerprints: [] };
  assertEquals(await found(none), new Int32Array());
});

Deno.test("duplicatesOf() ends as soon as it is aborted", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => found(picturesOf(1), signal), Error, "enough");
});

Deno.test("averagedRows() averages each channel over its positions, and leaves averages as they are", () => {
  // Two positions of three channels, one of two, and four of one.
  const rows = new RowsInMemory(
    Float32Array.of(...[1, 2, 3, 5, 8, 13], ...[7, 9], ...[1, 2, 3, 6]),
    12,
  );
  const averaged = averagedRows(rows, [6, 2, 4], [3, 2, 1]), found = new Float32Array(6);
  averaged.read(0, found);
  assertEquals([averaged.count, averaged.length, ...found], [1, 6, 3, 5, 8, 7, 9, 3]);
  assertEquals(averagedRows(rows, [10, 2], [10, 2]), rows);
});
