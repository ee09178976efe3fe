/** `fit`: teaches a model your own classes. */

import type { Dataset } from "../input/dataset.ts";
import { listSamples } from "../input/list_samples.ts";
import { describeSkipped } from "../input/skipped_samples.ts";
import { writeWhole } from "../io/atomic_file.ts";
import {
  defaultText,
  flag,
  type Option,
  pickOptions,
  type Table,
  text,
  type Values,
} from "../options.ts";
import { ADD_OPTIONS, FIT_OPTIONS, SCRATCH_OPTIONS } from "../options/training.ts";
import { addExamples, type Extended } from "../train/add_examples.ts";
import { fit, type FitOptions } from "../train/fit.ts";
import type { Fitted } from "../train/fitted.ts";
import type { Progress } from "../progress.ts";
import { fitFromScratch, type ScratchOptions } from "../train/fit_from_scratch.ts";
import { curveSvg } from "../train/curves.ts";
import { fitReport } from "../train/report.ts";
import { counted } from "../train/words.ts";
import { checkedValue, flagOf } from "./arguments.ts";
import { percent } from "../report/html.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import { fitDocument, fitSummary } from "./fit_summary.ts";
import { OPEN_FLAG, openPage } from "./open_page.ts";
import { checkModelName, checkOutputs, OUTPUT_FLAGS } from "./outputs.ts";
import { Loading } from "./loading.ts";
import { isFromEnvironment } from "./environment.ts";
import { ProgressLine } from "./progress.ts";
import { CLASSIFIER_FLAGS } from "./run.ts";
import { print, printJson, tell, tellWarning } from "./terminal.ts";

const { layer, pooling, sides, mirror, head, hidden, fineTune, grayscale, folds, skipBad } =
  FIT_OPTIONS;
const { validation, patience, optimizer } = FIT_OPTIONS;
const { configuration, width, dense, side, channels, flip } = SCRATCH_OPTIONS;

/** An option of both fits: its default with `--scratch` is named beside the other. */
const inBoth = <O extends Option>(ofHead: O, ofScratch: Option): O => ({
  ...ofHead,
  unset: `${defaultText(ofHead)}; with --scratch ${defaultText(ofScratch)}`,
});

const OPTIONS = {
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

export const fitCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] --out MODEL DIRECTORY|LIST",
  operands: {
    "DIRECTORY":
      'One folder per class, named by its label; one named "none of these" holds pictures of no class',
    "LIST": "A text or CSV file: a path and a label on each line",
  },
  examples: [
    { line: "vgg16 fit pets --out pets.safetensors" },
    {
      line: "vgg16 fit more --add --model pets.safetensors --out pets2.safetensors",
      about: "more pictures of a model with --head nearest",
    },
  ],
  options: OPTIONS,
  groups: {
    "What is written": ["out", "add"],
    "What learns": ["layer", "pooling", "head", "hidden", "fineTune"],
    "How pictures are looked at": [
      ...["sides", "mirror", "whitening", "standardize", "grayscale", "skipBad"] as const,
    ],
    "How it learns": [
      ...["folds", "balance", "validation", "epochs", "patience", "optimizer"] as const,
      ...["learningRate", "batchSize", "weightDecay", "seed"] as const,
    ],
    "Without a model to begin with (slower, and it takes more pictures)": [
      ...["scratch", "width", "dense", "side", "channels", "flip"] as const,
    ],
  },
  notes:
    "Exit code: 0, or 1 if it failed, or 2 for a wrong command line; 130 after Ctrl-C: run it " +
    "again to go on.",

  goesOn: ({ add }) => !add,

  async run(operands, options, signal) {
    const { out, json, open, ...asked } = options;
    if (out === undefined) {
      throw new UsageError("fit needs --out MODEL for the file that it writes");
    }
    const [path, ...more] = operands;
    if (path === undefined || more.length > 0) {
      throw new UsageError("fit needs one directory or list");
    }
    checkModelName(out);
    if (options.add) return await add(path, out, options, signal);
    const train = trainer(asked);
    const data = await listSamples(path, undefined, { signal });
    for (const warning of data.warnings ?? []) tellWarning(warning);
    const directory = out.replace(/\.safetensors$/, "") + "-fit";
    const files = ["learning_curve.svg", "report.html"].map((name) => `${directory}/${name}`);
    const reads = [path, options.model, ...data.samples.map(({ file }) => file)];
    if (!await checkOutputs({ reads, writes: [out, ...files] }, options)) return 0;
    const id = out.split(/[/\\]/).at(-1)!.replace(/\.safetensors$/, "");
    using features = new ProgressLine("Computing features");
    using learning = new ProgressLine("Learning the head");
    using loading = new Loading(options.model, options);
    const onProgress = progressView(loading, features, learning);
    const fitted = await train(data, { out, directory, id, signal, onProgress });
    if (fitted.history !== undefined) {
      await writeWhole(`${directory}/learning_curve.svg`, curveSvg(fitted.history));
    }
    const report = `${directory}/report.html`, { offline } = options;
    const page = await fitReport(id, data, fitted, { model: out, offline, signal });
    await writeWhole(report, page);
    if (json) printJson(fitDocument(id, fitted, out, report));
    else print(fitSummary(fitted, out, report));
    if (open) await openPage(report);
    return 0;
  },
};

/** Adds the pictures to a model's examples. */
async function add(
  path: string,
  out: string,
  { add: _, out: __, model, force, dryRun, ...options }: Values<typeof OPTIONS>,
  signal: AbortSignal,
): Promise<number> {
  if (model === undefined) {
    throw new UsageError("--add needs --model MODEL, to whose examples it adds");
  }
  for (const [name, value] of Object.entries(options)) {
    const option = Object.hasOwn(ADD_OPTIONS, name) ? (ADD_OPTIONS as Table)[name] : undefined;
    if (option === undefined) {
      throw new UsageError(
        `--${flagOf(name, OPTIONS[name as keyof typeof options])} does not go with --add`,
      );
    }
    checkedValue(name, option, value);
  }
  const data = await listSamples(path, undefined, { signal });
  for (const warning of data.warnings ?? []) tellWarning(warning);
  const reads = [path, model, ...data.samples.map(({ file }) => file)];
  if (!await checkOutputs({ reads, writes: [out] }, { force, dryRun })) return 0;
  using loading = new Loading(model, options);
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

type Trainer = (
  data: Dataset,
  options: FitOptions & ScratchOptions & { readonly out: string },
) => Promise<Fitted>;

/** What trains: a new head, or all of a small network. */
function trainer(
  { add: _, force: __, dryRun: ___, balance, scratch, ...options }: Values<
    typeof OPTIONS
  >,
): Trainer {
  const isScratch = scratch !== undefined;
  const table: Table = isScratch ? { ...SCRATCH_OPTIONS, grayscale } : FIT_OPTIONS;
  for (const [name, value] of Object.entries(options)) {
    const option = Object.hasOwn(table, name) ? table[name] : undefined;
    if (option !== undefined) checkedValue(name, option, value);
    else if (!isFromEnvironment(name)) {
      const flag = flagOf(name, OPTIONS[name as keyof typeof options]);
      throw new UsageError(`--${flag} does not go ${isScratch ? "with" : "without"} --scratch`);
    }
  }
  const classWeights = balance === false ? "none" : undefined;
  if (!isScratch) {
    const head = { ...options, classWeights } as FitOptions; // Checked above.
    return (data, more) => fit(data, { ...head, ...more, onWarning: tellWarning });
  }
  if (options.grayscale && options.channels === 3) {
    throw new UsageError("--grayscale does not go with --channels 3: it is one channel");
  }
  const channels = options.grayscale ? 1 : options.channels;
  const all = { ...pickOptions(SCRATCH_OPTIONS, options), channels, classWeights };
  const small = { ...all, configuration: scratch } as ScratchOptions; // Checked above.
  return (data, more) => fitFromScratch(data, { ...small, ...more });
}

/** Bars while features are computed and settings are tried, or a line per epoch, which a pipe gets too. */
function progressView(
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
