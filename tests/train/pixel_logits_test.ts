import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { createEngine } from "../../lib/engine/create.ts";
import type { Progress } from "../../lib/progress.ts";
import { pixelLogits } from "../../lib/train/pixel_logits.ts";
import { randomBatch, randomModel } from "../support/random_model.ts";

const INPUT = { height: 32, width: 32, channels: 3 };
const { model } = randomModel({
  ...{ configuration: "A", input: INPUT, dense: [3] },
  convolutions: Array(8).fill(4),
});
const LABELED = { ...model, labels: ["a", "b", "c"] };
/** Of which only some are judged, in another order. */
const { data: pixels, count } = randomBatch(200, 32, 32, 3);
const PICTURES = Array.from({ length: 150 }, (_, i) => count - 1 - i);
const OPTIONS = { backend: "wasm", threads: 1 } as const;
const given = { pixels, classes: new Array(count).fill(0) } as unknown as Parameters<
  typeof pixelLogits
>[1];

Deno.test("logits of pictures are those of the network for their pixels, and NaN for all others", async () => {
  const told: Progress[] = [];
  const logits = await pixelLogits(LABELED, given, PICTURES, {
    ...OPTIONS,
    onProgress: (progress: Progress) => told.push(progress),
  });
  assertEquals(logits.length, count * 3);
  await using engine = await createEngine(LABELED, OPTIONS);
  const size = 32 * 32 * 3;
  for (const n of [0, 49, 50, 120, count - 1]) {
    const own = logits.subarray(n * 3, (n + 1) * 3);
    if (!PICTURES.includes(n)) {
      assert(own.every(Number.isNaN), `${n}`);
      continue;
    }
    const { data, scale } = await engine.run({
      ...{ data: pixels.slice(n * size, (n + 1) * size), count: 1, height: 32, width: 32 },
    });
    own.forEach((logit, c) => assertAlmostEquals(logit, data[c]! * scale[0]!, 1e-6, `${n}`));
  }
  assertEquals(new Set(told.map(({ stage }) => stage)), new Set(["evaluate"]));
  assertEquals([told.at(-1)?.done, told.at(-1)?.total], [150, 150]);
});

Deno.test("judging pictures ends when it is aborted", async () => {
  const controller = new AbortController();
  setImmediate(() => controller.abort(new Error("enough")));
  const { signal } = controller;
  const judging = pixelLogits(LABELED, given, PICTURES, { ...OPTIONS, signal });
  await assertRejects(() => judging, Error, "enough");
});
