/**
 * Which layers a linear head reads best, and in which sizes: what the model says of the pictures of each pair of
 * folders is read once in all sizes, and a head is learned from each choice of it, as `fit` learns its own. It is
 * judged out of fold on the pictures of the first folder, each class counting the same, on average over several
 * divisions into five folds, and on those of the second, which nothing is chosen by.
 *
 *     deno run --allow-all bench/looks.ts [--sides 128,160] [--two] [--mirror] [--seeds 3] [--strengths 1,10]
 *       [--cache DIR] TRAIN TEST [TRAIN TEST ...]
 *
 * With `--two` a head on each two sizes side by side is learned, too; `--mirror` looks at mirror images as well.
 * `--strengths` are those that are tried instead of a fit's, and what the layers say is kept in `--cache`.
 *
 * @module
 */

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { join } from "@std/path";
import { createEngine } from "../lib/engine/create.ts";
import { blockLengths } from "../lib/model/readout.ts";
import { resolveModel } from "../lib/open_model.ts";
import { accuracyOf, predictionsOf } from "../lib/train/accuracy.ts";
import { rowLogits } from "../lib/train/blocks.ts";
import { takeDirectory } from "../lib/train/directory.ts";
import { duplicatesOf } from "../lib/train/duplicates.ts";
import { readPictures } from "../lib/train/features.ts";
import { storeOf } from "../lib/train/fit_store.ts";
import { stratifiedFolds } from "../lib/train/folds.ts";
import { freeze } from "../lib/train/frozen.ts";
import { TrainingKernels } from "../lib/train/kernels.ts";
import { learnLinear, STRENGTHS } from "../lib/train/linear_head.ts";
import { directionsOf } from "../lib/train/nearest.ts";
import { inOneArray, rootRows, type Rows, rowsAt, RowsInMemory } from "../lib/train/rows.ts";
import { classWeightsOf } from "../lib/train/split.ts";
import { pairOf } from "./training.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    sides: { type: "string", default: "160" },
    two: { type: "boolean", default: false },
    mirror: { type: "boolean", default: false },
    seeds: { type: "string", default: "3" },
    strengths: { type: "string", default: STRENGTHS.join() },
    cache: { type: "string", default: ".cache/looks" },
  },
});
const sides = values.sides.split(",").map(Number).sort((a, b) => a - b);
STRENGTHS.splice(0, STRENGTHS.length, ...values.strengths.split(",").map(Number));
const LAYERS = ["pool4", "pool5"] as const;

/** What a head reads: positions of blocks, of which each side has one for each layer. */
interface Choice {
  readonly name: string;
  readonly blocks: readonly number[];
}

const CHOICES: readonly Choice[] = sides.flatMap((side, n): Choice[] => {
  const own = [2 * n, 2 * n + 1];
  const others = values.two ? [...sides.entries()].slice(n + 1) : [];
  return [
    ...LAYERS.map((layer, l) => ({ name: `${layer} at ${side}`, blocks: [own[l]!] })),
    { name: `both at ${side}`, blocks: own },
    ...others.map(([m, other]) => ({
      name: `both at ${side} and ${other}`,
      blocks: [...own, 2 * m, 2 * m + 1],
    })),
  ];
});

/** Some blocks of rows, side by side. */
function chosen({ values, length, count }: RowsInMemory, own: readonly [number, number][]): Rows {
  const size = own.reduce((sum, [, size]) => sum + size, 0), all = new Float32Array(count * size);
  for (let n = 0, at = 0; n < count; n++) {
    for (const [first, size] of own) {
      all.set(values.subarray(n * length + first, n * length + first + size), at);
      at += size;
    }
  }
  return new RowsInMemory(all, size);
}

const percent = (part: number): string => (100 * part).toFixed(1);
const base = await resolveModel(undefined);
const kernels = await TrainingKernels.start(availableParallelism());
console.log("| learned from | layers | out of fold, % | cross-entropy | C | test pictures right |");
console.log("|---|---|---|---|---|---|");
for (let at = 0; at + 1 < positionals.length; at += 2) {
  const { name, data: { labels, samples }, learned } = await pairOf(
    positionals[at]!,
    positionals[at + 1]!,
  );
  const look = { sides, layers: LAYERS, mirror: values.mirror ? "on" : "off" } as const;
  const frozen = freeze(base, look, learned), { model, features: recipe } = frozen;
  const lengths = blockLengths(recipe, model.architecture);
  await using engine = await createEngine(model, { backend: "wasm" });
  const network = { ...model, readout: { features: recipe } };
  const directory = join(
    values.cache,
    [name, ...sides, values.mirror].join("_").replaceAll(/\W+/g, "_"),
  );
  using _directory = await takeDirectory(directory);
  using store = (await storeOf(frozen, engine, directory))!.features; // There is a directory.
  const { positions, features, fingerprints } = await readPictures(engine, network, samples, {
    store,
    onSkip: () => {},
  });
  const rows = await inOneArray(features);
  const own = positions.filter((n) => n < learned).length;
  const truth = Int32Array.from(positions, (n) => samples[n]!.label);
  const known = { labels: truth.subarray(0, own), classes: labels.length };
  const ownRows = rowsAt(rows, Array.from({ length: own }, (_, n) => n));
  const duplicates = await duplicatesOf(kernels, {
    ...{ ...known, fingerprints: fingerprints.slice(0, own) },
    directions: await directionsOf(ownRows, lengths),
  });
  const tested = Array.from({ length: rows.count - own }, (_, n) => own + n);
  const classWeights = classWeightsOf("balanced", known.labels, labels.length);
  for (const choice of CHOICES) {
    const parts = choice.blocks.map((b): [number, number] => [
      lengths.slice(0, b).reduce((sum, length) => sum + length, 0),
      lengths[b]!,
    ]);
    const read = chosen(rows, parts), strengths: number[] = [];
    let accuracy = 0, crossEntropy = 0, right = 0;
    const seeds = Number(values.seeds);
    for (let seed = 0; seed < seeds; seed++) {
      const folds = stratifiedFolds(known.labels, labels.length, { seed, together: duplicates });
      const { layer, C, validation } = await learnLinear(kernels, {
        ...{ ...known, folds, classWeights, whitening: "standardize" },
        ...{ rows: rowsAt(read, [...known.labels.keys()]), lengths: parts.map(([, size]) => size) },
      });
      const predicted = predictionsOf(validation.logits, labels.length);
      const judged = [...known.labels.keys()].filter((n) => folds[n]! >= 0);
      accuracy += accuracyOf(known, predicted, judged).balancedAccuracy / seeds;
      crossEntropy += Math.min(...validation.crossEntropies) / seeds;
      const said = await rowLogits(layer, rootRows(rowsAt(read, tested)));
      strengths.push(C);
      right += predictionsOf(said, labels.length).filter((c, n) => c === truth[own + n]).length /
        seeds;
    }
    console.log(
      `| ${name}, ${own} | ${choice.name} | ${percent(accuracy)} | ${crossEntropy.toFixed(3)} | ${
        [...new Set(strengths)].join(" ")
      } | ${+right.toFixed(1)} of ${tested.length}, ${percent(right / tested.length)} % |`,
    );
  }
}
await kernels.end();
