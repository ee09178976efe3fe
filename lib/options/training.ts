/** The options of `fit()` and `fitFromScratch()`. */

import {
  choice,
  CLASSIFIER_OPTIONS,
  ENGINE_OPTIONS,
  flag,
  IMAGE_OPTIONS,
  integer,
  integers,
  number,
  RESOLVE_OPTIONS,
  SIGNAL_OPTION,
  type Table,
  text,
  texts,
} from "../options.ts";

/** Learning rates by what trains and by the optimizer. Normalized layers bear higher ones than a head. */
export const LEARNING_RATES = {
  head: { adam: 1e-3, momentum: 1e-2, sgd: 1e-2 },
  scratch: { adam: 3e-3, momentum: 3e-2, sgd: 3e-2 },
} as const;

/** Pictures of a batch of a head's training, which depends on how many rows of features there are. */
export const HEAD_BATCH = { few: 32, many: 256, manyFrom: 10_000 } as const;

/** Epochs of a head's training. */
export const HEAD_EPOCHS = 200;

/** How the last block and a head are trained. */
export const TUNING = { epochs: 8, learningRate: 5e-5, batchSize: 32 } as const;

/** Most sizes in which a picture is looked at. */
export const MAX_SIZES = 4;
/** Pictures of a class, of the median one, below which those that are most like one are right more often. */
export const NEAREST_BELOW = 10;
/** Pictures up to which their mirror images are looked at, too, as it takes twice the time. */
export const MIRRORED_MOST = 300;
/** Pictures from which on they are looked at in the size that the layers were trained for, and not in a larger one. */
export const LARGER_MOST = 1000;
/** In which sizes it is looked at, in words. */
const SIDES_TEXT = "that of the layers' input; a fifth more of " +
  `${MIRRORED_MOST + 1} to ${LARGER_MOST} pictures`;
const isText = (value: unknown): value is string => typeof value === "string";

/** What both fits have. */
const COMMON_OPTIONS = {
  validation: number(
    { above: 0, below: 1, default: 0.2, placeholder: "PART" },
    "Part of each class that is kept for validation",
  ),
  optimizer: choice(
    { choices: ["adam", "momentum", "sgd"], default: "adam", placeholder: "NAME" },
    "Optimizer",
  ),
  weightDecay: number(
    { min: 0, default: 0.01 },
    "Part by which weights shrink in an update, relative to the learning rate",
  ),
  classWeights: choice(
    { choices: ["balanced", "none"], default: "balanced" },
    "Whether rare classes count as much as frequent ones",
  ),
  skipBad: flag(
    { default: false },
    "Leave out pictures that cannot be read, also more than a tenth of a class",
  ),
  seed: integer({ min: 0, default: 0 }, "Seed of all random choices"),
  directory: text({}, "Where it keeps what an interrupted fit needs to go on"),
  id: text({ default: "fitted" }, "Name of the new model"),
  out: text({ placeholder: "FILE" }, "Model file to write"),
} satisfies Table;

/** What both fits have, with defaults of each one's own. */
const LEARNING_OPTIONS = {
  epochs: integer({ min: 1 }, "Passes over the pictures at most"),
  learningRate: number({ above: 0 }, "Learning rate"),
  batchSize: integer({ min: 1 }, "Pictures of a batch"),
} satisfies Table;

const ratesText = ({ adam, sgd }: { adam: number; sgd: number }): string =>
  `${adam} for adam, ${sgd} otherwise`;

/** `fit()`. */
export const FIT_OPTIONS = {
  layer: texts({
    isNeeded: true,
    placeholder: "LAYER,...",
    unset: "pool4,pool5",
    also: { is: isText, called: "one of them" },
  }, "Layers that the head sees, side by side: any of the model's but the classifying one"),
  pooling: choice(
    { choices: ["avg", "quarters", "none"], default: "avg" },
    "What becomes of a layer's positions: their average, those of four quarters, or each",
  ),
  sides: integers(
    { min: 32, max: 512, items: MAX_SIZES, placeholder: "PIXELS,...", unset: SIDES_TEXT },
    "Sides of the squares in which a picture is looked at",
  ),
  mirror: choice(
    { choices: ["auto", "on", "off"], default: "auto", placeholder: "WHEN" },
    `Look at each picture's mirror image, too, and average what they say: auto of up to ${MIRRORED_MOST} pictures`,
  ),
  head: choice(
    { choices: ["auto", "linear", "nearest"], default: "auto", placeholder: "KIND" },
    "What decides: one layer that is learned, or the pictures that are most like one; auto of classes with " +
      `fewer than ${NEAREST_BELOW} pictures`,
  ),
  hidden: integer(
    { min: 0, max: 2 ** 16, default: 0 },
    "Units of a hidden layer of the head, which then learns in epochs; 0 for none",
  ),
  fineTune: choice(
    { choices: ["conv5"], placeholder: "LAYERS", unset: "none of them" },
    "Layers that learn, too, with the head and in epochs",
  ),
  whitening: choice({
    choices: ["none", "standardize", "pca", "zca"],
    default: "standardize",
    placeholder: "KIND",
  }, "How features are brought to a common scale"),
  grayscale: flag({ default: false }, "Drop the pictures' colors, also when the model classifies"),
  standardize: choice({
    choices: ["image"],
    placeholder: "KIND",
    unset: "as the frozen model does",
  }, "Remove the mean and deviation of each picture"),
  patience: integer({ min: 1, default: 20 }, "Epochs without improvement after which it stops"),
  folds: integer(
    { min: 2, max: 100, default: 5 },
    "Parts of the pictures, each of which is judged by what learned from the others",
  ),
  ...COMMON_OPTIONS,
  epochs: {
    ...LEARNING_OPTIONS.epochs,
    unset: `${HEAD_EPOCHS}, or ${TUNING.epochs} of fine-tuning`,
  },
  learningRate: {
    ...LEARNING_OPTIONS.learningRate,
    unset: `${ratesText(LEARNING_RATES.head)}, or ${TUNING.learningRate} of fine-tuning`,
  },
  batchSize: {
    ...LEARNING_OPTIONS.batchSize,
    unset: `${HEAD_BATCH.few}, or ${HEAD_BATCH.many} from ${HEAD_BATCH.manyFrom} pictures on`,
  },
  ...CLASSIFIER_OPTIONS,
} satisfies Table;

/** `addExamples()`. */
export const ADD_OPTIONS = {
  skipBad: FIT_OPTIONS.skipBad,
  out: FIT_OPTIONS.out,
  ...ENGINE_OPTIONS,
  ...RESOLVE_OPTIONS,
} satisfies Table;

/** `fitFromScratch()`. */
export const SCRATCH_OPTIONS = {
  configuration: choice(
    { choices: ["A", "B", "D", "E"], default: "B", placeholder: "CONFIG" },
    "Column of the paper's table 1",
  ),
  width: number(
    { above: 0, max: 1, default: 1 / 8, placeholder: "PART" },
    "Part of the paper's channels",
  ),
  dense: integers(
    { min: 1, items: 7, mayBeEmpty: true, default: [64], placeholder: "N,..." },
    "Units of the hidden dense layers, at most seven",
  ),
  side: integer({ min: 32, max: 256, default: 32, unit: "pixels" }, "Side of the square input"),
  channels: choice({ choices: [1, 3], default: 3 }, "Gray, or red, green and blue"),
  standardize: choice(
    { choices: ["dataset", "image"], default: "dataset" },
    "Remove the mean and deviation of all pictures, or also of each",
  ),
  whitening: choice(
    { choices: ["none", "zca"], default: "none" },
    "Whether what neighboring pixels have in common is removed",
  ),
  flip: flag(
    { default: true },
    "Learn from mirrored pictures as well",
  ),
  shift: integer(
    { min: 0, max: 32, default: 1, unit: "pixels" },
    "How far pictures are moved at most",
  ),
  ...COMMON_OPTIONS,
  epochs: { ...LEARNING_OPTIONS.epochs, default: 10 },
  learningRate: { ...LEARNING_OPTIONS.learningRate, unset: ratesText(LEARNING_RATES.scratch) },
  batchSize: { ...LEARNING_OPTIONS.batchSize, default: 64 },
  ...ENGINE_OPTIONS,
  ...IMAGE_OPTIONS,
  ...SIGNAL_OPTION,
} satisfies Table;
