/** What is refused of a fit before anything is computed. */

import { checkReadout, featureLength, type ReadoutDescription } from "../model/readout.ts";
import type { FitOptions, FitSettings } from "./fit_options.ts";
import type { Frozen } from "./frozen.ts";
import { examplesProblem } from "./nearest.ts";

/** Options of a head that learns in epochs. */
const EPOCH_OPTIONS = [
  "epochs",
  "patience",
  "optimizer",
  "learningRate",
  "batchSize",
  "weightDecay",
  "validation",
] as const;

/**
 * Checks that each option that is given does something.
 *
 * @throws {RangeError} If one does not.
 */
export function checkEffects(options: FitOptions): void {
  const { hidden = 0, head, fineTune } = options;
  const given = (names: readonly (keyof FitOptions)[]): string | undefined =>
    names.find((name) => options[name] !== undefined);
  if (head === "nearest" && hidden > 0) {
    throw new RangeError('hidden is for a linear head: the head "nearest" has no layers');
  }
  if (fineTune !== undefined) return checkTuning(options);
  const unlearned = head === "nearest" ? given(["whitening", "classWeights"]) : undefined;
  if (unlearned !== undefined) {
    throw new RangeError(`${unlearned} has no effect on the head "nearest": leave it out`);
  }
  const unused = hidden > 0 ? given(["folds"]) : given(EPOCH_OPTIONS);
  if (unused === undefined) return;
  throw new RangeError(
    hidden > 0
      ? `${unused} has no effect beside hidden: such a head is judged on the validation pictures`
      : `${unused} has no effect without hidden: only a head with a hidden layer learns in epochs`,
  );
}

/**
 * Checks, before anything is computed, that a model file may have the head, and memory what it learns from.
 *
 * @throws {RangeError} If it would be too large.
 */
export function checkSize(
  { features, model }: Frozen,
  { head, hidden }: FitSettings,
  classes: number,
  pictures: number,
): void {
  const described: ReadoutDescription["head"] = head === "nearest"
    ? { kind: "nearest", examples: pictures }
    : { kind: "dense", units: hidden > 0 ? [hidden, classes] : [classes] };
  const problem = checkReadout({ features, head: described }, model.architecture, classes) ??
    (head === "nearest"
      ? examplesProblem(pictures, featureLength(features, model.architecture))
      : undefined);
  if (problem === undefined) return;
  throw new RangeError(
    `The head would be too large: ${problem}. Average what layers say, or read fewer of them`,
  );
}

/** Checks that each option that is given beside fineTune does something. */
function checkTuning(options: FitOptions): void {
  const { hidden = 0, head = "auto", whitening = "standardize" } = options;
  if (hidden > 0 || head === "nearest") {
    throw new RangeError(
      `fineTune learns with a linear head: leave out ${hidden > 0 ? "hidden" : "head"}`,
    );
  }
  if (whitening !== "standardize" && whitening !== "none") {
    throw new RangeError(
      `fineTune learns from standardized features: found whitening ${whitening}`,
    );
  }
  const unused = (["folds", "patience", "optimizer"] as const)
    .find((name) => options[name] !== undefined);
  if (unused === undefined) return;
  const why = unused === "folds"
    ? "such a model is judged on the validation pictures"
    : "all epochs are learned, by Adam";
  throw new RangeError(`${unused} has no effect beside fineTune: ${why}`);
}
