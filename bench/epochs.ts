/**
 * Which epoch of a training is kept, and when it stops: by the least validation loss, or by the best balanced accuracy
 * on the validation pictures. Of each pair of folders a training learns from the first, and each epoch is judged on the
 * second, which nothing is chosen by.
 *
 *     deno run --allow-all bench/epochs.ts [--scratch] [--seeds 5] [--cache DIR] [--sheet] [TRAIN TEST ...]
 *
 * Without `--scratch` it trains heads with a hidden layer of 64 units, of which features are kept in `--cache`. With
 * `--sheet` the tests' pictures of CIFAR-10 are a pair, too.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { isBetter } from "../lib/train/judge.ts";
import type { LoopOptions } from "../lib/train/loop.ts";
import {
  headTraining,
  type Pair,
  pairOf,
  scratchTraining,
  sheetPair,
  type TestedEpoch,
} from "./training.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    scratch: { type: "boolean", default: false },
    sheet: { type: "boolean", default: false },
    seeds: { type: "string", default: "5" },
    cache: { type: "string", default: ".cache/epochs" },
  },
});

/** Whether an epoch is better than another. */
type IsBetter = (one: TestedEpoch, other: TestedEpoch) => boolean;

const byLoss: IsBetter = (one, other) => one.validationLoss < other.validationLoss;
/** The epoch that is kept, and the one after which the training ends. */
function chosen(
  history: readonly TestedEpoch[],
  beats: IsBetter,
  patience: number,
): { best: TestedEpoch; end: number } {
  let best = history[0]!;
  for (const epoch of history) {
    if (epoch.epoch - best.epoch > patience) return { best, end: epoch.epoch - 1 };
    if (beats(epoch, best)) best = epoch;
  }
  return { best, end: history.length };
}

/** How an epoch is chosen, and when training stops; the second is what a fit does. */
const RULES: readonly (readonly [name: string, beats: IsBetter, patience: number])[] = [
  ["least loss, patience 20", byLoss, 20],
  [
    `best balanced accuracy${values.scratch ? "" : ", patience 20"}`,
    isBetter,
    values.scratch ? Infinity : 20,
  ],
  ["least loss, all epochs", byLoss, Infinity],
  ["last epoch", () => true, Infinity],
];

const SHARED = { optimizer: "adam", weightDecay: 0.01 } as const;
const TRAININGS: readonly Omit<LoopOptions, "seed">[] = values.scratch
  ? [10, 40].map((epochs) => ({
    ...{ ...SHARED, epochs, learningRate: 3e-3, batchSize: 64, oneCycle: true },
  }))
  : [{ ...SHARED, epochs: 120, learningRate: 1e-3, batchSize: 32, oneCycle: false }];

/** Mean and deviation, in percent. */
function spread(parts: readonly number[]): string {
  const mean = parts.reduce((a, b) => a + b, 0) / parts.length;
  const squares = parts.reduce((sum, part) => sum + (part - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / Math.max(1, parts.length - 1));
  return `${(100 * mean).toFixed(1)} ± ${(100 * deviation).toFixed(1)}`;
}

console.log("| learned from | at most | " + RULES.map(([name]) => name).join(" | ") + " |");
console.log("|---".repeat(RULES.length + 2) + "|");
const pairs: Pair[] = values.sheet ? [await sheetPair()] : [];
for (let n = 0; n + 1 < positionals.length; n += 2) {
  pairs.push(await pairOf(positionals[n]!, positionals[n + 1]!));
}
for (const pair of pairs) {
  const train = values.scratch
    ? await scratchTraining(pair)
    : await headTraining(pair, 64, values.cache);
  for (const options of TRAININGS) {
    const histories: TestedEpoch[][] = [];
    for (let seed = 0; seed < Number(values.seeds); seed++) {
      histories.push(await train({ ...options, seed }));
    }
    const cells = RULES.map(([, beats, patience]) => {
      const found = histories.map((history) => chosen(history, beats, patience));
      const end = found.reduce((sum, { end }) => sum + end, 0) / found.length;
      return `${spread(found.map(({ best }) => best.test))} (${end.toFixed(0)})`;
    });
    console.log(`| ${pair.name} | ${options.epochs} | ${cells.join(" | ")} |`);
  }
}
