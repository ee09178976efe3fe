/**
 * The options of `fit()` and `fitFromScratch()`.
 *
 * @module
 */

import {
  CALLBACK,
  CLASSIFIER_OPTIONS,
  ENGINE_OPTIONS,
  IMAGE_OPTIONS,
  SIGNAL_OPTION,
  type Table,
} from "../options.ts";

/** Learning rates by what trains and by the optimizer. Normalised layers bear higher ones than a head. */
export const LEARNING_RATES = {
  head: { adam: 1e-3, momentum: 1e-2, sgd: 1e-2 },
  scratch: { adam: 3e-3, momentum: 3e-2, sgd: 3e-2 },
} as const;

/** Pictures of a batch of a head's training, which depends on how many rows of features there are. */
export const HEAD_BATCH = { few: 32, many: 256, manyFrom: 10_000 } as const;

/** What both fits have. */
const COMMON_OPTIONS = {
  flip: {
    kind: "boolean",
    default: true,
    about: "Learn from mirrored pictures as well",
    off: "Do not learn from mirrored pictures",
  },
  validation: {
    kind: "number",
    above: 0,
    below: 1,
    default: 0.2,
    placeholder: "PART",
    about: "Part of each class that is kept for validation",
  },
  patience: {
    kind: "integer",
    min: 1,
    default: 20,
    about: "Epochs without improvement after which it stops",
  },
  optimizer: {
    kind: "choice",
    choices: ["adam", "momentum", "sgd"],
    default: "adam",
    placeholder: "NAME",
    about: "Optimizer",
  },
  weightDecay: {
    kind: "number",
    min: 0,
    default: 0.01,
    about: "Part by which weights shrink in an update, relative to the learning rate",
  },
  classWeights: {
    kind: "choice",
    choices: ["balanced", "none"],
    default: "balanced",
    about: "Whether rare classes count as much as frequent ones",
  },
  seed: { kind: "integer", min: 0, default: 0, about: "Seed of all random choices" },
  directory: { kind: "text", about: "Where it keeps what an interrupted fit needs to go on" },
  id: { kind: "text", default: "fitted", about: "Name of the new model" },
  onFit: { ...CALLBACK, about: "Called as the fit goes on" },
} as const satisfies Table;

/** What both fits have, with defaults of each one's own. */
const LEARNING_OPTIONS = {
  epochs: { kind: "integer", min: 1, about: "Passes over the pictures at most" },
  learningRate: { kind: "number", above: 0, about: "Learning rate" },
  batchSize: { kind: "integer", min: 1, about: "Pictures of a batch" },
} as const satisfies Table;

const ratesText = ({ adam, sgd }: { adam: number; sgd: number }): string =>
  `${adam} for adam, ${sgd} otherwise`;

/** `fit()`. */
export const FIT_OPTIONS = {
  layer: {
    kind: "text",
    unset: "the one before the classifying layer",
    about: "Last frozen layer: pool5, fc6 or fc7",
  },
  hidden: {
    kind: "integer",
    min: 0,
    max: 2 ** 16,
    default: 0,
    about: "Units of a hidden layer of the head, 0 for none",
  },
  whitening: {
    kind: "choice",
    choices: ["none", "standardize", "pca", "zca"],
    default: "standardize",
    placeholder: "KIND",
    about: "How features are brought to a common scale",
  },
  grayscale: {
    kind: "boolean",
    default: false,
    about: "Drop the pictures' colors, also when the model classifies",
  },
  standardize: {
    kind: "choice",
    choices: ["image"],
    placeholder: "KIND",
    unset: "as the frozen model does",
    about: "Remove the mean and deviation of each picture",
  },
  crops: {
    kind: "integer",
    min: 0,
    max: 100,
    default: 2,
    about: "Random crops of each picture to learn from as well",
  },
  ...COMMON_OPTIONS,
  epochs: { ...LEARNING_OPTIONS.epochs, default: 200 },
  learningRate: { ...LEARNING_OPTIONS.learningRate, unset: ratesText(LEARNING_RATES.head) },
  batchSize: {
    ...LEARNING_OPTIONS.batchSize,
    unset:
      `${HEAD_BATCH.few}, or ${HEAD_BATCH.many} from ${HEAD_BATCH.manyFrom} rows of features on`,
  },
  ...CLASSIFIER_OPTIONS,
} as const satisfies Table;

/** `fitFromScratch()`. */
export const SCRATCH_OPTIONS = {
  configuration: {
    kind: "choice",
    choices: ["A", "B", "D", "E"],
    default: "B",
    placeholder: "CONFIG",
    about: "Column of the paper's table 1",
  },
  width: {
    kind: "number",
    above: 0,
    max: 1,
    default: 1 / 8,
    placeholder: "PART",
    about: "Part of the paper's channels",
  },
  dense: {
    kind: "integers",
    min: 1,
    items: 2,
    mayBeEmpty: true,
    default: [64],
    placeholder: "N,...",
    about: "Units of the hidden dense layers, at most two",
  },
  side: {
    kind: "integer",
    min: 32,
    max: 256,
    default: 32,
    unit: "pixels",
    about: "Side of the square input",
  },
  channels: { kind: "choice", choices: [1, 3], default: 3, about: "Gray, or red, green and blue" },
  standardize: {
    kind: "choice",
    choices: ["dataset", "image"],
    default: "dataset",
    placeholder: "KIND",
    about: "Remove the mean and deviation of all pictures, or also of each",
  },
  whitening: {
    kind: "choice",
    choices: ["none", "zca"],
    default: "none",
    placeholder: "KIND",
    about: "Whether what neighbouring pixels have in common is removed",
  },
  shift: {
    kind: "integer",
    min: 0,
    max: 32,
    default: 1,
    unit: "pixels",
    about: "How far pictures are moved at most",
  },
  ...COMMON_OPTIONS,
  epochs: { ...LEARNING_OPTIONS.epochs, default: 10 },
  learningRate: { ...LEARNING_OPTIONS.learningRate, unset: ratesText(LEARNING_RATES.scratch) },
  batchSize: { ...LEARNING_OPTIONS.batchSize, default: 64 },
  ...ENGINE_OPTIONS,
  ...IMAGE_OPTIONS,
  ...SIGNAL_OPTION,
} as const satisfies Table;
