/** `fit`: teaches a model your own classes. */

import { listSamples } from "../input/list_samples.ts";
import { curveSvg } from "../train/curves.ts";
import { fitReport } from "../train/report.ts";
import type { Progress } from "../progress.ts";
import type { Command } from "./command.ts";
import { addPictures } from "./fit_add.ts";
import { FIT_FLAGS } from "./fit_flags.ts";
import { fitDocument, fitSummary } from "./fit_summary.ts";
import { progressView, trainer } from "./fit_trainer.ts";
import { Loading } from "./loading.ts";
import { openPage } from "./open_page.ts";
import { checkModelName, checkOutputs, writeOutput } from "./outputs.ts";
import { ProgressLine } from "./progress.ts";
import { withData } from "./run.ts";
import { print, printJson, tellWarning } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

export const fitCommand: Command<typeof FIT_FLAGS> = {
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
  options: FIT_FLAGS,
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
    if (options.add) return await addPictures(path, out, options, signal);
    const train = trainer(asked);
    const data = await withData(() => listSamples(path, undefined, { signal }));
    for (const warning of data.warnings ?? []) tellWarning(warning);
    const directory = out.replace(/\.safetensors$/, "") + "-fit";
    const curve = `${directory}/learning_curve.svg`, report = `${directory}/report.html`;
    const reads = [path, options.model, ...data.samples.map(({ file }) => file)];
    if (!await checkOutputs({ reads, writes: [out, curve, report] }, options)) return 0;
    const id = out.split(/[/\\]/).at(-1)!.replace(/\.safetensors$/, "");
    using features = new ProgressLine("Computing features");
    using learning = new ProgressLine("Learning the head");
    using loading = new Loading(options.model, options);
    const show = progressView(loading, features, learning);
    let isBegun = false;
    const onProgress = (progress: Progress): void => {
      isBegun = true;
      show(progress);
    };
    const { bytes, ...fitted } = await train(data, { directory, id, signal, onProgress })
      .catch((error) => {
        // What is refused before anything is computed is a wrong setting.
        const isSetting = error instanceof RangeError && !isBegun;
        throw isSetting ? new UsageError(error.message, { cause: error }) : error;
      });
    const { offline, force } = options;
    const page = await fitReport(id, data, fitted, { model: out, offline, signal });
    // One after the other, as whoever is stopped in between is told that they are there.
    await writeOutput(out, bytes, force);
    if (fitted.history !== undefined) {
      await writeOutput(curve, curveSvg(fitted.history), force);
    }
    await writeOutput(report, page, force);
    if (json) printJson(fitDocument(id, fitted, out, report));
    else print(fitSummary(fitted, out, report));
    if (open) await openPage(report);
    return 0;
  },
};
