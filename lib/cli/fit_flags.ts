/** The options of `fit`. */

import { defaultText, flag, type Option, type Table, text, type Values } from "../options.ts";
import { FIT_OPTIONS, SCRATCH_OPTIONS } from "../options/training.ts";
import { checkedValue, flagOf } from "./arguments.ts";
import { isFromEnvironment } from "./environment.ts";
import { OPEN_FLAG } from "./open_page.ts";
import { OUTPUT_FLAGS } from "./outputs.ts";
import { CLASSIFIER_FLAGS } from "./run.ts";
import { UsageError } from "./usage_error.ts";

const { layer, pooling, sides, mirror, head, hidden, fineTune, grayscale, folds, skipBad } =
  FIT_OPTIONS;
const { validation, patience, optimizer } = FIT_OPTIONS;
const { configuration, width, dense, side, channels, flip } = SCRATCH_OPTIONS;

/** An option of both fits: its default with `--scratch` is named beside the other. */
const inBoth = <O extends Option>(ofHead: O, ofScratch: Option): O => ({
  ...ofHead,
  unset: `${defaultText(ofHead)}; with --scratch ${defaultText(ofScratch)}`,
});

export const FIT_FLAGS = {
  out: text(
    { placeholder: "MODEL" },
    "The model file to write; MODEL-fit/ beside it gets the report, and what an interrupted " +
      "run needs to go on",
  ),
  ...OPEN_FLAG,
  ...OUTPUT_FLAGS,
  json: flag({}, "Print what the model is worth as one JSON document"),
  ...{ layer, pooling, sides, mirror, head, hidden, fineTune },
  whitening: {
    ...inBoth(FIT_OPTIONS.whitening, SCRATCH_OPTIONS.whitening),
    about: "How features, or with --scratch pixels, are brought to a common scale",
  },
  standardize: {
    ...inBoth(FIT_OPTIONS.standardize, SCRATCH_OPTIONS.standardize),
    choices: SCRATCH_OPTIONS.standardize.choices,
    about: "Remove the mean and deviation of all pictures, or of each",
  },
  ...{ grayscale, skipBad, folds },
  balance: flag(
    { default: true },
    FIT_OPTIONS.classWeights.about,
  ),
  validation,
  epochs: inBoth(FIT_OPTIONS.epochs, SCRATCH_OPTIONS.epochs),
  ...{ patience, optimizer },
  learningRate: inBoth(FIT_OPTIONS.learningRate, SCRATCH_OPTIONS.learningRate),
  batchSize: inBoth(FIT_OPTIONS.batchSize, SCRATCH_OPTIONS.batchSize),
  weightDecay: FIT_OPTIONS.weightDecay,
  seed: FIT_OPTIONS.seed,
  add: flag(
    { default: false },
    "Write to --out what --model, which was fitted with --head nearest, becomes with the pictures " +
      "as more examples; nothing is trained",
  ),
  scratch: {
    ...configuration,
    default: undefined,
    about: "Train all layers of a small VGG, of a column of the paper's table 1",
  },
  ...{ width, dense, side, channels, flip },
  ...CLASSIFIER_FLAGS,
} satisfies Table;

/** Those that were given. */
export type FitFlags = Values<typeof FIT_FLAGS>;

/**
 * Checks that what was given is among what a way to fit takes, and has a value that it may have there.
 *
 * @param how Such as `with --add`, for the error.
 * @throws {UsageError} If not.
 */
export function checkGoes(given: FitFlags, table: Table, how: string): void {
  for (const [name, value] of Object.entries(given)) {
    const option = Object.hasOwn(table, name) ? table[name] : undefined;
    if (option !== undefined) checkedValue(name, option, value);
    else if (!isFromEnvironment(name)) {
      const flag = flagOf(name, FIT_FLAGS[name as keyof FitFlags]);
      throw new UsageError(`--${flag} does not go ${how}`);
    }
  }
}
