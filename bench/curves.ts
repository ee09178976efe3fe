/**
 * The losses of a small network from scratch by epoch, with each optimizer, with and without the schedule of the
 * learning rate: on 35 pictures of each of CIFAR-10's classes, of which a fifth validates.
 *
 *     deno run --allow-all bench/curves.ts [--epochs 24]
 *
 * @module
 */

import { parseArgs } from "node:util";
import { LEARNING_RATES } from "../lib/options/training.ts";
import { scratchTraining, sheetPair } from "./training.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { epochs: { type: "string", default: "24" } },
});
const train = await scratchTraining(await sheetPair());
const epochs = Number(values.epochs), names: string[] = [], columns: string[][] = [];
for (const optimizer of ["sgd", "momentum", "adam"] as const) {
  for (const oneCycle of [false, true]) {
    names.push(`${optimizer}, ${oneCycle ? "schedule" : "one rate"}`);
    const learningRate = LEARNING_RATES.scratch[optimizer];
    const options = { optimizer, learningRate, epochs, oneCycle, batchSize: 64, weightDecay: 0.01 };
    const history = await train({ ...options, seed: 0 });
    columns.push(
      history.map(({ loss, validationLoss }) =>
        `${loss.toFixed(2)} / ${validationLoss.toFixed(2)}`
      ),
    );
  }
}
console.log(`| epoch | ${names.join(" | ")} |`);
console.log("|---".repeat(names.length + 1) + "|");
const shown = [1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48, 64].filter((epoch) => epoch <= epochs);
for (const epoch of shown) {
  console.log(`| ${epoch} | ${columns.map((column) => column[epoch - 1]).join(" | ")} |`);
}
