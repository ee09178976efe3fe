import { assertEquals, assertRejects } from "@std/assert";
import { duplicatesOf } from "../../lib/train/duplicates.ts";
import { TrainingKernels } from "../../lib/train/kernels.ts";
import { directionsOf } from "../../lib/train/nearest.ts";
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
    get directions() {
      return directionsOf(features, LENGTHS);
    },
    labels,
    classes: 2,
    fingerprints: labels.map((_, n) => `${n}`),
  };
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
    assertEquals(await duplicatesOf(kernels, pictures), alone);
    // Of another class, of its own, and of a copy.
    alter(features, 101, 40, 0.1 * spread);
    alter(features, 80, 40, 0.1 * spread);
    alter(features, 149, 101, 0.1 * spread);
    // Another picture of the same kind is none.
    alter(features, 120, 41, 3 * spread);
    const expected = alone.slice();
    expected[101] = expected[80] = expected[149] = 40;
    assertEquals(await duplicatesOf(kernels, pictures), expected);
  });
}

Deno.test("pictures with the same pixels are the same, whatever their features", async () => {
  const pictures = picturesOf(1), { fingerprints } = pictures;
  fingerprints[7] = fingerprints[90] = fingerprints[3];
  const expected = alone.slice();
  expected[7] = expected[90] = 3;
  assertEquals(await duplicatesOf(kernels, pictures), expected);
});

Deno.test("what is usual of one class is not asked of another whose pictures are more alike", async () => {
  const { features, labels, classes, fingerprints } = picturesOf(1);
  const narrow = picturesOf(0.1).features;
  for (let n = 0; n < COUNT; n += 2) {
    features.set(narrow.subarray(n * SIZE, (n + 1) * SIZE), n * SIZE);
  }
  const found = () => {
    const directions = directionsOf(features, LENGTHS);
    return duplicatesOf(kernels, { directions, labels, classes, fingerprints });
  };
  assertEquals(await found(), alone);
  alter(features, 81, 41, 0.1);
  alter(features, 80, 40, 0.01);
  const expected = alone.slice();
  expected[81] = 41;
  expected[80] = 40;
  assertEquals(await found(), expected);
});

Deno.test("one picture a class is enough, and none are no problem", async () => {
  const { directions, fingerprints } = picturesOf(1);
  const few = { directions: directions.subarray(0, 2 * SIZE), labels: [0, 1], classes: 2 };
  const own = fingerprints.slice(0, 2);
  assertEquals(await duplicatesOf(kernels, { ...few, fingerprints: own }), Int32Array.of(0, 1));
  const none = { directions: new Float32Array(), labels: [], classes: 2, fingerprints: [] };
  assertEquals(await duplicatesOf(kernels, none), new Int32Array());
});

Deno.test("duplicatesOf() ends as soon as it is aborted", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => duplicatesOf(kernels, picturesOf(1), signal), Error, "enough");
});
