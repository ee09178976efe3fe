/** What training depends on, and from what it goes on. */

import type { ChosenMutant } from "../../tools/chosen_mutants.ts";

const LOOP = { file: "lib/train/loop.ts", test: "tests/train/loop_test.ts" };
const STEPS = { file: "lib/train/steps.ts", test: "tests/train/steps_test.ts" };
const STORE = { file: "lib/train/fit_store.ts", test: "tests/train/kept_features_test.ts" };
const FROM_SCRATCH = { test: "tests/train/from_scratch_test.ts" };

export const MUTANTS: readonly ChosenMutant[] = [
  {
    ...LOOP,
    name: "training has no patience",
    before: "state.epoch < epochs && state.epoch - state.bestEpoch < patience",
    after: "state.epoch < epochs",
  },
  {
    ...LOOP,
    name: "patience is one epoch more",
    before: "state.epoch - state.bestEpoch < patience",
    after: "state.epoch - state.bestEpoch <= patience",
  },
  {
    ...LOOP,
    name: "patience ends a training whose rate falls",
    before: "oneCycle ? Infinity : options.patience ?? Infinity",
    after: "options.patience ?? Infinity",
  },
  {
    ...LOOP,
    name: "every seed has the same order of pictures",
    before: "randomFrom(mixed(options.seed, epoch))",
    after: "randomFrom(mixed(0, epoch))",
  },
  {
    ...LOOP,
    name: "every epoch has the same order of pictures",
    before: "randomFrom(mixed(options.seed, epoch))",
    after: "randomFrom(mixed(options.seed, 1))",
  },
  {
    file: "lib/train/network.ts",
    ...FROM_SCRATCH,
    name: "every seed begins with the same weights",
    before: "const normal = normalFrom(randomFrom(seed));",
    after: "const normal = normalFrom(randomFrom(0));",
    filter: "seed",
  },
  {
    file: "lib/train/fit_from_scratch.ts",
    ...FROM_SCRATCH,
    name: "a network from scratch begins with the same weights for every seed",
    before: "initialize(tf, architecture, seed)",
    after: "initialize(tf, architecture, 0)",
    filter: "each seed",
  },
  {
    file: "lib/train/dense.ts",
    name: "every seed begins with the same hidden layer",
    before: "const normal = normalFrom(randomFrom(seed));",
    after: "const normal = normalFrom(randomFrom(0));",
    ...FROM_SCRATCH,
    filter: "each seed",
  },
  {
    file: "lib/train/split.ts",
    name: "every seed holds the same pictures back",
    before: "const next = randomFrom(seed), keptUnits",
    after: "const next = randomFrom(0), keptUnits",
    test: "tests/train/random_test.ts",
  },
  {
    file: "lib/train/folds.ts",
    name: "every seed has the same folds",
    before: "shuffled(units.length, randomFrom(seed))",
    after: "shuffled(units.length, randomFrom(0))",
    test: "tests/train/cross_validation_test.ts",
  },
  {
    file: "lib/train/tuning.ts",
    name: "every seed fine-tunes in the same order",
    before: "next = randomFrom(mixed(seed, epoch))",
    after: "next = randomFrom(mixed(0, epoch))",
    test: "tests/train/fine_tune_test.ts",
    filter: "matter of the seed",
  },
  {
    file: "lib/train/tuning.ts",
    name: "every seed mirrors the same pictures as it fine-tunes",
    before: "randomFrom(mixed(seed, epoch, n))",
    after: "randomFrom(mixed(0, epoch, n))",
    test: "tests/train/fine_tune_test.ts",
    filter: "matter of the seed",
  },
  {
    file: "lib/train/pixels.ts",
    name: "every seed varies pictures in the same way",
    before: "randomFrom(mixed(seed, epoch, picture))",
    after: "randomFrom(mixed(0, epoch, picture))",
    test: "tests/train/random_test.ts",
  },
  {
    ...LOOP,
    name: "weights grow instead of decaying",
    before: "values[i] *= 1 - part;",
    after: "values[i] *= 1 + part;",
  },
  {
    ...LOOP,
    name: "weights do not decay",
    before: "decay(variables, rate * options.weightDecay);",
    after: "",
  },
  { ...LOOP, name: "biases decay", before: "if (variable.rank < 2) continue;", after: "" },
  {
    ...LOOP,
    name: "the last epoch is kept instead of the best",
    before: "values.forEach((value, n) => value.set(best[n]!));",
    after: "",
  },
  ...["hidden", "validation", "classWeights", "whitening"].map((name) => ({
    ...STEPS,
    name: `a hidden layer's training goes on with another ${name}`,
    before: "{ ...steps, hidden, validation, classWeights, whitening }",
    after: `{ ...steps, hidden, validation, classWeights, whitening, ${name}: 0 }`,
  })),
  ...["validation", "classWeights", "whitening"].map((name) => ({
    ...STEPS,
    name: `fine-tuning goes on with another ${name}`,
    before: "kept: { ...steps, validation, classWeights, whitening } };",
    after: `kept: { ...steps, validation, classWeights, whitening, ${name}: 0 } };`,
  })),
  ...["version", "validation", "classWeights", "flip", "shift"].map((name) => ({
    ...STEPS,
    name: `a network from scratch goes on with another ${name}`,
    before: "kept: { version, ...task, ...steps, validation, classWeights, flip, shift }",
    after:
      `kept: { version, ...task, ...steps, validation, classWeights, flip, shift, ${name}: 0 }`,
  })),
  {
    ...STEPS,
    name: "a network from scratch goes on with other pictures",
    before: "const task = { dataSha256, architecture, preprocessing };",
    after: "const task = { architecture, preprocessing };",
  },
  {
    ...STEPS,
    name: "fine-tuning goes on with another seed",
    before: "const steps = { epochs, batchSize, learningRate, weightDecay, seed };",
    after: "const steps = { epochs, batchSize, learningRate, weightDecay, seed: 0 };",
  },
  {
    ...STORE,
    name: "a fit goes on with other pictures",
    before: "keyOf([key, fingerprints, Array.from(labels), settings])",
    after: "keyOf([key, Array.from(labels), settings])",
    filter: 'alone: {"hidden"',
  },
  {
    ...STORE,
    name: "a fit goes on with other labels",
    before: "keyOf([key, fingerprints, Array.from(labels), settings])",
    after: "keyOf([key, fingerprints, settings])",
    filter: 'alone: {"hidden"',
  },
  {
    ...STORE,
    name: "a fit goes on with features of another model",
    test: "tests/train/fit_store_test.ts",
    before: "    await modelHash(model, { sha256, signal }),\n",
    after: "",
  },
  {
    ...STORE,
    name: "a fit goes on with features of another precision",
    test: "tests/train/fit_store_test.ts",
    before: 'precision === "float" ? [precision, backend] : precision,',
    after: "",
  },
  {
    ...STORE,
    name: "a fit goes on with features of another version of this package",
    test: "tests/train/fit_store_test.ts",
    before: "    version, // Another one may read pictures in another way.\n",
    after: "",
  },
  {
    ...STORE,
    name: "a fit goes on with features of other layers",
    test: "tests/train/fit_store_test.ts",
    before: "    model.preprocessing,\n    features,\n",
    after: "    model.preprocessing,\n",
  },
  {
    file: "lib/train/records.ts",
    name: "a record counts before the disk has it",
    before: "await file.sync();",
    after: "void file.sync().catch(() => {});",
    test: "tests/train/records_test.ts",
    filter: "once the disk has it",
  },
];
