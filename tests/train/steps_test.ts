/** A state is found again by whatever changes what comes of a training, and each option does or does not. */

import { assertEquals } from "@std/assert";
import { completeOptions, type Table } from "../../lib/options.ts";
import { FIT_OPTIONS, SCRATCH_OPTIONS } from "../../lib/options/training.ts";
import type { FitOptions } from "../../lib/train/fit.ts";
import type { ScratchOptions } from "../../lib/train/fit_from_scratch.ts";
import { keyOf } from "../../lib/train/keys.ts";
import { architectureOf } from "../../lib/train/network.ts";
import { hiddenSteps, scratchSteps, tuningSteps } from "../../lib/train/steps.ts";

const CLASSES = 3;
const preprocessing = {
  ...{ resize: "direct", size: 32, filter: "bilinear", scale: 1 } as const,
  ...{ mean: [0, 0, 0], std: [1, 1, 1] },
};

/** What names a state of a network from scratch. */
function scratchKept(
  options: ScratchOptions,
  { version, data = "ab", mean = 0 }: { version?: string; data?: string; mean?: number } = {},
): unknown {
  const settings = completeOptions(SCRATCH_OPTIONS, options);
  const task = {
    dataSha256: data,
    architecture: architectureOf(settings, CLASSES),
    preprocessing: { ...preprocessing, mean: [mean, 0, 0] },
  };
  return scratchSteps(settings, task, version).kept;
}

const hiddenKept = (options: FitOptions, pictures = 100): unknown =>
  hiddenSteps(completeOptions(FIT_OPTIONS, { hidden: 8, ...options }), pictures).kept;
const tuningKept = (options: FitOptions): unknown =>
  tuningSteps(completeOptions(FIT_OPTIONS, { fineTune: "conv5", ...options })).kept;

/** What is in the names of features or in the hash of the pictures, or is no matter of what is learned. */
const ELSEWHERE = [
  ...["model", "layer", "pooling", "sides", "mirror", "grayscale", "standardize", "precision"],
  ...["background", "maxPixels", "maxBytes", "formats", "sources", "skipBad", "head", "folds"],
  ...["fineTune", "backend", "threads", "tune", "directory", "cacheDir", "offline", "id", "out"],
  ...["baseUrl", "fetch", "signal", "onProgress", "onWarning"],
];

const LEARNING = {
  ...{ optimizer: "sgd", epochs: 7, learningRate: 0.5, batchSize: 5, weightDecay: 0.5, seed: 9 },
  ...{ validation: 0.3, classWeights: "none" },
} as const;

const CASES: Record<string, {
  table: Table;
  kept: (options: Record<string, unknown>) => unknown;
  changes: Record<string, unknown>;
  /** Options that are refused beside it. */
  without?: readonly string[];
}> = {
  "a hidden layer": {
    ...{ table: FIT_OPTIONS, kept: hiddenKept },
    changes: { ...LEARNING, patience: 3, hidden: 16, whitening: "pca" },
  },
  "fine-tuning": {
    ...{ table: FIT_OPTIONS, kept: tuningKept },
    changes: { ...LEARNING, optimizer: undefined, whitening: "none" },
    without: ["optimizer", "patience", "hidden"],
  },
  "a network from scratch": {
    ...{ table: SCRATCH_OPTIONS, kept: scratchKept },
    changes: {
      ...{ ...LEARNING, flip: false, shift: 3, configuration: "A", width: 0.5, dense: [8] },
      ...{ side: 64, channels: 1 },
    },
    // These two change the preprocessing, which is a part of the name below.
    without: ["whitening", "standardize"],
  },
};

for (const [name, { table, kept, changes, without = [] }] of Object.entries(CASES)) {
  Deno.test(`each option that changes ${name} gives its state another name`, async () => {
    const known = new Set(Object.keys(changes));
    const unknown = Object.keys(table)
      .filter((option) => ![...known, ...without, ...ELSEWHERE].includes(option));
    assertEquals(unknown, [], "an option that nobody has thought of here");
    // The rate is said, as by default it is the optimizer's.
    const said = { learningRate: 0.2 };
    const names = new Map([[await keyOf(kept(said)), "nothing"]]);
    for (const [option, value] of Object.entries(changes)) {
      if (value === undefined) continue;
      const own = await keyOf(kept({ ...said, [option]: value }));
      assertEquals(names.get(own), undefined, option);
      names.set(own, option);
    }
    assertEquals(await keyOf(kept(said)), [...names.keys()][0]);
  });
}

Deno.test("a state is told by the version, the pictures and the preprocessing, too", async () => {
  const kept = [
    scratchKept({}),
    scratchKept({}, { version: "0.0.0-other" }),
    scratchKept({}, { data: "cd" }),
    scratchKept({}, { mean: 1 }),
  ];
  assertEquals(new Set(await Promise.all(kept.map(keyOf))).size, kept.length);
});

Deno.test("what is not said is what the options say of it", () => {
  const settings = completeOptions(FIT_OPTIONS, { hidden: 8 });
  const { steps } = hiddenSteps(settings, 9_999);
  assertEquals(steps, {
    ...{ optimizer: "adam", epochs: 200, patience: 20, weightDecay: 0.01, seed: 0 },
    ...{ learningRate: 0.001, batchSize: 32 },
  });
  assertEquals(hiddenSteps(settings, 10_000).steps, { ...steps, batchSize: 256 });
  const sgd = completeOptions(FIT_OPTIONS, { hidden: 8, optimizer: "sgd" });
  assertEquals(hiddenSteps(sgd, 10).steps.learningRate, 0.01);
  assertEquals(tuningSteps(completeOptions(FIT_OPTIONS, {})).steps, {
    ...{ epochs: 8, batchSize: 32, learningRate: 5e-5, weightDecay: 0.01, seed: 0 },
  });
});
