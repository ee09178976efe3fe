import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Tensor2D } from "@tensorflow/tfjs-core";
import { type LoopOptions, trainLoop } from "../../lib/train/loop.ts";
import { type Tfjs, withTfjs } from "../../lib/train/tfjs.ts";

const OPTIONS: LoopOptions = {
  optimizer: "sgd",
  learningRate: 0.1,
  epochs: 2,
  patience: 2,
  batchSize: 8,
  weightDecay: 0,
  oneCycle: false,
  seed: 1,
};

/** Learns the sign of one number with two weights; says how large the training batches were. */
async function train(count: number, options: Partial<LoopOptions> = {}): Promise<number[]> {
  const sizes: number[] = [];
  await withTfjs(async (tf: Tfjs) => {
    const weights = tf.variable(tf.zeros([1, 2]));
    const examples = {
      labels: Array.from({ length: count }, (_, n) => n % 2),
      batch: (positions: Uint32Array, augment: boolean) => {
        if (augment) sizes.push(positions.length);
        return tf.tensor2d(Float32Array.from(positions, (n) => n % 2 - 0.5), [positions.length, 1]);
      },
    };
    try {
      const forward = (x: unknown): Tensor2D =>
        tf.matMul(x as Tensor2D, weights as unknown as Tensor2D);
      await trainLoop(tf, {
        variables: [weights],
        classes: 2,
        classWeights: new Float32Array([1, 1]),
        train: examples,
        validation: examples,
        forward,
      }, { ...OPTIONS, ...options });
    } finally {
      weights.dispose();
    }
  });
  return sizes;
}

Deno.test("the batches of an epoch differ by one picture at most", async () => {
  for (const count of [8, 9, 17, 23]) {
    const sizes = await train(count, { epochs: 1 });
    assertEquals(sizes.length, Math.ceil(count / OPTIONS.batchSize));
    assertEquals(sizes.reduce((sum, size) => sum + size), count);
    assert(Math.max(...sizes) - Math.min(...sizes) <= 1, `${count}: ${sizes}`);
  }
});

Deno.test("a loss that is not finite ends the training, and says what to lower", async () => {
  await assertRejects(() => train(16, { learningRate: 1e39 }), RangeError, "lower learningRate");
});

Deno.test("the state of another training is refused", async () => {
  const kept = { epoch: 1, bestEpoch: 1, bestLoss: 1, history: [], best: [], values: [] };
  const state = {
    load: () => Promise.resolve(JSON.stringify({ ...kept, optimizer: [] })),
    save: () => Promise.resolve(),
  };
  await assertRejects(() => train(16, { state }), RangeError, "0 arrays, expected 1");
});
