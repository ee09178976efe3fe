/**
 * The losses of a small network from scratch by epoch, with each optimizer, with and without the schedule of the
 * learning rate: on 35 pictures of each of CIFAR-10's classes, of which a fifth validates.
 *
 *     deno run --allow-all bench/curves.ts [--epochs 24]
 *
 * @module
 */

import { parseArgs } from "node:util";
import { decodeImage } from "../lib/image/decode.ts";
import { cropImage } from "../lib/image/resize.ts";
import { LEARNING_RATES } from "../lib/options/training.ts";
import { scratchTraining } from "./training.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { epochs: { type: "string", default: "24" } },
});
const SIDE = 32, CLASSES = 10, LEARNED = 35, ALL = 50;

const sheet = await decodeImage(
  await Deno.readFile(new URL("../tests/fixtures/cifar10/sheet.png", import.meta.url)),
);
const samplesOf = (first: number, end: number) =>
  Array.from({ length: CLASSES }, (_, label) =>
    Array.from({ length: end - first }, (_, n) => ({
      ...{ file: `${label}/${first + n}`, label },
      image: cropImage(sheet, {
        ...{ left: (first + n) * SIDE, top: label * SIDE, width: SIDE, height: SIDE },
      }),
    }))).flat();
const train = await scratchTraining({
  name: "sheet",
  data: {
    labels: Array.from({ length: CLASSES }, (_, label) => `class ${label}`),
    samples: [...samplesOf(0, LEARNED), ...samplesOf(LEARNED, ALL)],
  },
  learned: CLASSES * LEARNED,
});

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
