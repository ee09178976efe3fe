import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { nearestLogits } from "../../lib/output/nearest.ts";
import { bestClass } from "../../lib/output/predictions.ts";
import { stratifiedFolds } from "../../lib/train/folds.ts";
import { TrainingKernels } from "../../lib/train/kernels.ts";
import { directionsOf, learnNearest, type NearestTask } from "../../lib/train/nearest.ts";
import { RowsInMemory } from "../../lib/train/rows.ts";
import { random } from "../support/random_model.ts";
import { rightPart } from "../support/right_part.ts";

const LENGTHS = [6, 4], SIZE = 10;
const kernels = await TrainingKernels.start();

/** Pictures of classes that differ in where they are strong. */
async function taskOf(
  perClass: readonly number[],
): Promise<NearestTask & { readonly rows: Float32Array }> {
  const next = random(2), classes = perClass.length;
  const labels = perClass.flatMap((count, c) => Array<number>(count).fill(c));
  const rows = Float32Array.from(
    { length: labels.length * SIZE },
    (_, at) => next() ** 2 * (at % SIZE % classes === labels[Math.floor(at / SIZE)] ? 9 : 1),
  );
  const directions = await directionsOf(new RowsInMemory(rows, SIZE), LENGTHS);
  const folds = stratifiedFolds(labels, classes);
  return { rows, directions, labels, classes, lengths: LENGTHS, folds };
}

Deno.test("learnNearest() judges each picture by what it remembers of the other folds", async () => {
  const task = await taskOf([20, 9, 31]), { rows, labels, folds } = task;
  const { head, validation } = await learnNearest(kernels, task);
  for (let n = 0; n < 60; n++) {
    const others = Array.from(labels, (_, m) => m).filter((m) => folds[m] !== folds[n]);
    const left = {
      ...head,
      examples: Float32Array.from(
        others.flatMap((m) => [...head.examples.subarray(m * SIZE, (m + 1) * SIZE)]),
      ),
      classes: head.classes.filter((_, m) => folds[m] !== folds[n]),
    };
    const expected = nearestLogits(left, rows.subarray(n * SIZE, (n + 1) * SIZE), 3);
    // Both of a product are float32 there.
    expected.forEach((value, c) => assertAlmostEquals(validation.logits[3 * n + c], value, 1e-4));
  }
  assert(rightPart(validation.logits, labels) > 0.7);
});

Deno.test("learnNearest() learns from one picture a class, and its head takes others as they come", async () => {
  const task = await taskOf([1, 1, 1]), { head, validation } = await learnNearest(kernels, task);
  assert([...validation.logits].every(Number.isNaN), "nothing is judged");
  const rowOf = (n: number): Float32Array => task.rows.subarray(n * SIZE, (n + 1) * SIZE);
  for (let n = 0; n < 3; n++) {
    const logits = nearestLogits(head, rowOf(n), 3);
    assertEquals(bestClass(logits), n);
    assertAlmostEquals(logits[n], 50, 1e-4);
  }
  // An example of a fourth class, which looks like the first one of class 1.
  const more = {
    ...head,
    examples: Float32Array.of(...head.examples, ...head.examples.subarray(SIZE, 2 * SIZE)),
    classes: Float32Array.of(...head.classes, 3),
  };
  const logits = nearestLogits(more, rowOf(1), 4);
  assertEquals(logits[3], logits[1]);
});

Deno.test("learnNearest() ends as soon as it is aborted", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  const task = await taskOf([5, 5]);
  await assertRejects(() => learnNearest(kernels, task, { signal }), Error, "enough");
});
