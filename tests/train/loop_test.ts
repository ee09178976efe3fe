import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import type { Tensor, Tensor2D, Variable } from "@tensorflow/tfjs-core";
import type { EpochMetrics } from "../../lib/progress.ts";
import { type LoopOptions, type Task, trainLoop } from "../../lib/train/loop.ts";
import { rateAt } from "../../lib/train/schedule.ts";
import { classWeightsOf } from "../../lib/train/split.ts";
import { floats, type Tfjs, withTfjs } from "../../lib/train/tfjs.ts";
import { keepStates, type KeptState } from "../support/kept_states.ts";

const OPTIONS: LoopOptions = {
  optimizer: "sgd",
  learningRate: 0.1,
  epochs: 2,
  batchSize: 8,
  weightDecay: 0,
  oneCycle: false,
  seed: 1,
};

/** What was seen of a training. */
interface Seen {
  /** The positions of each batch. */
  readonly batches: number[][];
  /** The epoch that each batch was of. */
  readonly epochs: number[];
  /** The first weight before each update. */
  readonly weights: number[];
  /** Both weights in the end. */
  last: Float32Array;
  readonly history: readonly EpochMetrics[];
  readonly bestEpoch: number;
}

/** Learns two weights, by which each number of `numbers` becomes logits of two classes. */
async function train(
  numbers: readonly number[],
  options: Partial<LoopOptions> = {},
  own: (tf: Tfjs, weights: Variable) => Partial<Task> = () => ({}),
): Promise<Seen> {
  const seen = { batches: [], epochs: [], weights: [] } as Pick<
    Seen,
    "batches" | "epochs" | "weights"
  >;
  return await withTfjs(async (tf: Tfjs) => {
    const weights = tf.tidy(() => tf.variable(tf.zeros([1, 2])));
    const examples = {
      labels: Array.from(numbers, (_, n) => n % 2),
      batch: (positions: Uint32Array, epoch: number | undefined) => {
        if (epoch !== undefined) {
          seen.batches.push([...positions]);
          seen.epochs.push(epoch);
          seen.weights.push(floats(weights)[0]!);
        }
        const values = Float32Array.from(positions, (n) => numbers[n]!);
        return tf.tensor2d(values, [positions.length, 1]);
      },
    };
    try {
      const learned = await trainLoop(tf, {
        variables: [weights],
        classes: 2,
        classWeights: new Float32Array([1, 1]),
        train: examples,
        validation: examples,
        forward: (x: Tensor) => tf.matMul(x as Tensor2D, weights as unknown as Tensor2D),
        ...own(tf, weights),
      }, { ...OPTIONS, ...options });
      return { ...seen, ...learned, last: floats(weights).slice() };
    } finally {
      weights.dispose();
    }
  });
}

/** A half with a sign that is the class's. */
const signs = (count: number): number[] => Array.from({ length: count }, (_, n) => n % 2 - 0.5);

Deno.test("the batches of an epoch differ by one picture at most", async () => {
  for (const count of [8, 9, 17, 23]) {
    const { batches } = await train(signs(count), { epochs: 1 });
    const sizes = batches.map(({ length }) => length);
    assertEquals(sizes.length, Math.ceil(count / OPTIONS.batchSize));
    assertEquals(batches.flat().sort((a, b) => a - b), [...Array(count).keys()]);
    assert(Math.max(...sizes) - Math.min(...sizes) <= 1, `${count}: ${sizes}`);
  }
});

Deno.test("a loss that is not finite ends the training, and says what to lower", async () => {
  await assertRejects(
    () => train(signs(16), { learningRate: 1e40 }),
    RangeError,
    "lower learningRate",
  );
});

/** What an update is of a slope that stays the same, beside the learning rate times that slope. */
const STEPS: Readonly<Record<LoopOptions["optimizer"], (iteration: number) => number>> = {
  sgd: () => 1,
  // The sum of 0.9^k.
  momentum: (iteration) => (1 - 0.9 ** iteration) / 0.1,
  // Mean over root of the mean of squares: the slope, 0.0005, goes out.
  adam: () => 1 / 0.0005,
};

for (const [optimizer, stepOf] of Object.entries(STEPS)) {
  Deno.test(`an update by ${optimizer} is in proportion to the rate of the schedule`, async () => {
    for (const oneCycle of [true, false]) {
      const options = { ...OPTIONS, epochs: 5, batchSize: 4, oneCycle };
      const chosen = { ...options, optimizer: optimizer as LoopOptions["optimizer"] };
      // So small that scores stay what they are, and slopes half of them.
      const numbers = signs(16).map((sign) => sign * 2e-3);
      const { weights } = await train(numbers, chosen);
      assertEquals(weights.length, 20);
      const rates = weights.slice(1).map((after, n) =>
        (weights[n]! - after) / (stepOf(n + 1) * 5e-4)
      );
      rates.forEach((rate, n) => {
        // Scores do change by a few thousandths.
        const wanted = rateAt(options, n / 20);
        assertAlmostEquals(rate, wanted, 0.01 * wanted, `update ${n + 1}`);
      });
      const [least, most] = [Math.min(...rates), Math.max(...rates)];
      assert(oneCycle ? least < 0.1 * most : least > 0.98 * most, `${rates}`);
    }
  });
}

Deno.test("the order of pictures is that of a seed and an epoch, and of no other", async () => {
  const ordersOf = async (seed: number): Promise<string[]> => {
    const { batches, epochs } = await train(signs(40), { seed, epochs: 6 });
    return [1, 2, 3, 4, 5, 6].map((epoch) =>
      batches.filter((_, n) => epochs[n] === epoch).flat().join()
    );
  };
  const seeds = [0, 1, 2, 2 ** 32], orders = await Promise.all(seeds.map(ordersOf));
  assertNotEquals(orders[0]![1], orders[1]![0]);
  assertEquals(new Set(orders.flat()).size, 24);
  assertEquals(await ordersOf(1), orders[1]);
});

Deno.test("a guess has the loss ln K in training and in validation, however rare a class is", async () => {
  const labels = Array.from({ length: 45 }, (_, n) => n < 42 ? 0 : 1);
  const classWeights = classWeightsOf("balanced", labels, 2);
  const parts = [[...labels.keys()].filter((n) => n % 2 === 0), [0, 1, 2, 3, 43]];
  for (const batchSize of [4, 64]) {
    const { history } = await train(
      signs(44),
      { epochs: 1, batchSize, learningRate: 1e-20 },
      (tf) => {
        const [train, validation] = parts.map((own) => ({
          labels: own.map((n) => labels[n]!),
          batch: ({ length }: Uint32Array) => tf.ones([length, 1]),
        }));
        return { train: train!, validation: validation!, classWeights };
      },
    );
    const [{ loss, validationLoss }] = history as [EpochMetrics];
    // Float32 in training; the mean of five equal numbers in float64 in validation.
    assertAlmostEquals(loss, Math.LN2, 1e-6, `batches of ${batchSize}`);
    assertAlmostEquals(validationLoss, Math.LN2, 1e-12);
  }
});

/** Which class each of five validation pictures is taken for, and with what margin, in each epoch. */
const SAID: readonly (readonly [taken: string, margin: number])[] = [
  ["11111", 0.01], // 4 of 5, and half on average over the classes
  ["00110", 8], // 3 of 5, and 5/8
  ["01110", 9], // 4 of 5, and 7/8: the best
  ["01110", 5], // the same, with a lower loss
  ["01110", 7],
  ["00110", 0.2], // the least loss
];

/** Trains with a validation that says this in the epochs; `ends` are the weights after each. */
async function judgedAs(
  said: typeof SAID,
  options: Partial<LoopOptions> = {},
  labels: readonly number[] = [0, 1, 1, 1, 1],
): Promise<Seen & { readonly ends: readonly Float32Array[] }> {
  const ends: Float32Array[] = [];
  const seen = await train(signs(8), { epochs: said.length, ...options }, (tf, weights) => {
    const forward = (x: Tensor, training: boolean): Tensor2D => {
      if (training) return tf.matMul(x as Tensor2D, weights as unknown as Tensor2D);
      const [taken, margin] = said[ends.push(floats(weights).slice()) - 1]!;
      return tf.tensor2d([...taken].map((c) => [0, c === "1" ? margin : -margin]));
    };
    return { forward, validation: { labels, batch: () => tf.zeros([labels.length, 1]) } };
  });
  return { ...seen, ends };
}

Deno.test("the epoch that is kept has the best balanced accuracy, and of equal ones the least loss", async () => {
  const { history, bestEpoch, ends, last } = await judgedAs(SAID);
  const accuracies = history.map((epoch) => epoch.validationAccuracy);
  assertEquals(accuracies, [0.8, 0.6, 0.8, 0.8, 0.8, 0.6]);
  const balanced = history.map((epoch) => epoch.validationBalancedAccuracy);
  assertEquals(balanced, [0.5, 0.75, 0.875, 0.875, 0.875, 0.75]);
  const losses = history.map(({ validationLoss }) => validationLoss);
  assertEquals([losses.indexOf(Math.min(...losses)), bestEpoch], [5, 4]);
  assertEquals(last, ends[3], "the weights are that epoch's");
  assertNotEquals(last, ends[5]);
  assertEquals((await judgedAs(SAID.slice(0, 3))).bestEpoch, 3);
});

Deno.test("a balanced accuracy that differs by less than a picture is the same", async () => {
  // Of 2 and 3 pictures: one of the two wrong, or one of the three. The second is better on average over the classes.
  const labels = [0, 0, 1, 1, 1], wrong = [1, 4];
  const judged = await Promise.all([[0.3, 0.2], [0.2, 0.3]].map(async (losses) => {
    const said = losses.map((loss, n): [string, number] => [
      labels.map((label, i) => i === wrong[n] ? 1 - label : label).join(""),
      loss,
    ]);
    const { history, bestEpoch } = await judgedAs(said, {}, labels);
    return { bestEpoch, shown: history.map((epoch) => epoch.validationBalancedAccuracy) };
  }));
  for (const { shown } of judged) assertEquals(shown, [0.75, (1 + 2 / 3) / 2]);
  assertEquals(judged.map(({ bestEpoch }) => bestEpoch), [1, 2]);
});

Deno.test("patience ends a training whose rate stays the same, and none whose rate falls", async () => {
  const [, , best, ...worse] = SAID, said = [best!, ...worse.slice(1), ...worse.slice(1)];
  const epochsOf = async (options: Partial<LoopOptions>): Promise<number> =>
    (await judgedAs([[best![0], 1], ...said], options)).history.length;
  assertEquals(await epochsOf({ patience: 2 }), 3);
  assertEquals(await epochsOf({ patience: 4 }), 5);
  assertEquals(await epochsOf({}), 6);
  assertEquals(await epochsOf({ patience: 1, oneCycle: true }), 6);
});

for (const optimizer of ["adam", "momentum", "sgd"] as const) {
  Deno.test(`a training with ${optimizer} goes on from each epoch's state to the same weights`, async () => {
    const kept: KeptState[] = [];
    const options = { optimizer, epochs: 4, batchSize: 3, weightDecay: 0.1, oneCycle: true };
    const before = await withTfjs((tf) => Promise.resolve(tf.memory().numTensors));
    const whole = await train(signs(10), { ...options, state: keepStates(kept) });
    assertEquals([kept.length, kept.at(-1)!.state.updates], [4, 16]);
    for (const [n, from] of kept.slice().entries()) {
      const { last, history, epochs } = await train(signs(10), {
        ...options,
        state: keepStates(kept, from),
      });
      assertEquals([last, history], [whole.last, whole.history]);
      assertEquals(new Set(epochs).size, 3 - n);
    }
    const after = await withTfjs((tf) => Promise.resolve(tf.memory().numTensors));
    assertEquals(after, before, "no tensor is left");
  });
}

for (const optimizer of ["adam", "momentum", "sgd"] as const) {
  Deno.test(`an update by ${optimizer} shrinks weights by the rate times the decay, and no bias`, async () => {
    await withTfjs(async (tf) => {
      // No picture has any input, and each class has as many: the slope of everything is exactly 0.
      const variables = tf.tidy(() => [
        tf.variable(tf.tensor2d([[3, -5]])),
        tf.variable(tf.tensor1d([0.5, 0.5])),
      ]);
      const [weights, bias] = variables as [Variable, Variable];
      const examples = { labels: [0, 1], batch: () => tf.zeros([2, 1]) };
      try {
        await trainLoop(tf, {
          ...{ variables, classes: 2, classWeights: Float32Array.of(1, 1) },
          ...{ train: examples, validation: examples },
          forward: (x) => tf.add(tf.matMul(x as Tensor2D, weights as unknown as Tensor2D), bias),
        }, { ...OPTIONS, optimizer, epochs: 1, learningRate: 0.25, weightDecay: 0.5 });
        // 1 - 0.25 * 0.5 = 7/8, exact in float32.
        assertEquals([...floats(weights)], [3 * 7 / 8, -5 * 7 / 8]);
        assertEquals([...floats(bias)], [0.5, 0.5]);
      } finally {
        tf.dispose(variables);
      }
    });
  });
}
