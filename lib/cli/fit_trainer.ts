/** What `fit` trains, and how it shows it. */

import type { Dataset } from "../input/dataset.ts";
import { pickOptions, type Table } from "../options.ts";
import { FIT_OPTIONS, SCRATCH_OPTIONS } from "../options/training.ts";
import type { Progress } from "../progress.ts";
import { percent } from "../report/html.ts";
import { fit, type FitOptions } from "../train/fit.ts";
import { fitFromScratch, type ScratchOptions } from "../train/fit_from_scratch.ts";
import type { FittedInMemory } from "../train/fitted.ts";
import { checkGoes, type FitFlags } from "./fit_flags.ts";
import type { Loading } from "./loading.ts";
import type { ProgressLine } from "./progress.ts";
import { tell, tellWarning } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** Makes a model of pictures. */
type Trainer = (
  data: Dataset,
  options: FitOptions & ScratchOptions & { readonly out?: undefined },
) => Promise<FittedInMemory>;

/** What trains: a new head, or all of a small network. */
export function trainer(
  { add: _, force: __, dryRun: ___, balance, scratch, ...options }: FitFlags,
): Trainer {
  const isScratch = scratch !== undefined;
  const table: Table = isScratch
    ? { ...SCRATCH_OPTIONS, grayscale: FIT_OPTIONS.grayscale }
    : FIT_OPTIONS;
  checkGoes(options, table, `${isScratch ? "with" : "without"} --scratch`);
  const classWeights = balance === false ? "none" : undefined;
  if (!isScratch) {
    const head = { ...options, classWeights } as Omit<FitOptions, "out">; // Checked above.
    return (data, more) => fit(data, { ...head, ...more, onWarning: tellWarning });
  }
  if (options.grayscale && options.channels === 3) {
    throw new UsageError("--grayscale does not go with --channels 3: it is one channel");
  }
  const channels = options.grayscale ? 1 : options.channels;
  const all = { ...pickOptions(SCRATCH_OPTIONS, options), channels, classWeights };
  const small = { ...all, configuration: scratch } as Omit<ScratchOptions, "out">; // Checked above.
  return (data, more) => fitFromScratch(data, { ...small, ...more });
}

/** Bars while features are computed and settings are tried, or a line per epoch, which a pipe gets too. */
export function progressView(
  loading: Loading,
  features: ProgressLine,
  learning: ProgressLine,
): (progress: Progress) => void {
  let head = false;
  return (progress) => {
    loading.show(progress);
    if (progress.stage === "features") features.show(progress);
    if (progress.stage === "train" && progress.unit === "trials") learning.show(progress);
    if (progress.epoch === undefined) return;
    if (!head) tell("epoch    loss  val. loss  val. balanced accuracy");
    head = true;
    const { epoch, loss, validationLoss, validationBalancedAccuracy } = progress.epoch;
    tell(
      String(epoch).padStart(5) + loss.toFixed(4).padStart(8) +
        validationLoss.toFixed(4).padStart(11) + percent(validationBalancedAccuracy).padStart(24),
    );
  };
}
