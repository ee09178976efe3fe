/** `fit --add`: more examples for a model, without training. */

import { listSamples } from "../input/list_samples.ts";
import { describeSkipped } from "../input/skipped_samples.ts";
import { pickOptions } from "../options.ts";
import { ADD_OPTIONS } from "../options/training.ts";
import type { Progress } from "../progress.ts";
import { addExamples, type Extended } from "../train/add_examples.ts";
import { counted } from "../train/words.ts";
import { checkGoes, type FitFlags } from "./fit_flags.ts";
import { Loading } from "./loading.ts";
import { checkOutputs, makeFolderOf } from "./outputs.ts";
import { ProgressLine } from "./progress.ts";
import { withData } from "./run.ts";
import { print, tellWarning } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** Adds the pictures to a model's examples. */
export async function addPictures(
  path: string,
  out: string,
  { add: _, out: __, model, force, dryRun, ...options }: FitFlags,
  signal: AbortSignal,
): Promise<number> {
  if (model === undefined) {
    throw new UsageError("--add needs --model MODEL, to whose examples it adds");
  }
  checkGoes(options, ADD_OPTIONS, "with --add");
  const data = await withData(() => listSamples(path, undefined, { signal }));
  for (const warning of data.warnings ?? []) tellWarning(warning);
  const reads = [path, model, ...data.samples.map(({ file }) => file)];
  if (!await checkOutputs({ reads, writes: [out] }, { force, dryRun })) return 0;
  using loading = new Loading(model, options);
  await makeFolderOf(out);
  using bar = new ProgressLine("Computing features");
  const onProgress = (progress: Progress): void => {
    loading.show(progress);
    if (progress.stage === "features") bar.show(progress);
  };
  const wanted = {
    ...pickOptions(ADD_OPTIONS, options),
    out,
    signal,
    onProgress,
    onWarning: tellWarning,
  };
  print(addedSummary(await addExamples(model, data, wanted), out));
  return 0;
}

/** What a model has become, in lines. */
function addedSummary(
  { labels, examples, added, repeated, skipped }: Extended,
  out: string,
): string[] {
  return [
    `${out}: ${added} examples more, ${examples.reduce((a, b) => a + b, 0)} in all`,
    ...labels.map((label, c) => `  ${JSON.stringify(label)}: ${examples[c]}`),
    ...repeated === 0 ? [] : [`${counted(repeated, "picture")} left out: examples already`],
    ...skipped.length === 0 ? [] : ["Left out:", ...skipped.map(describeSkipped)],
  ];
}
