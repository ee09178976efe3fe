/** `fit`: teaches a model your own classes. */

import { listSamples } from "../input/list_samples.ts";
import { writeWhole } from "../io/atomic_file.ts";
import { curveSvg } from "../train/curves.ts";
import { fitReport } from "../train/report.ts";
import type { Command } from "./command.ts";
import { addPictures } from "./fit_add.ts";
import { FIT_FLAGS } from "./fit_flags.ts";
import { fitDocument, fitSummary } from "./fit_summary.ts";
import { progressView, trainer } from "./fit_trainer.ts";
import { Loading } from "./loading.ts";
import { openPage } from "./open_page.ts";
import { checkModelName, checkOutputs } from "./outputs.ts";
import { ProgressLine } from "./progress.ts";
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
    const { bytes, ...fitted } = await train(data, { directory, id, signal, onProgress });
    const report = `${directory}/report.html`, { offline } = options;
    const page = await fitReport(id, data, fitted, { model: out, offline, signal });
    // One after the other, as whoever is stopped in between is told that they are there.
    await writeWhole(out, bytes);
    if (fitted.history !== undefined) {
      await writeWhole(`${directory}/learning_curve.svg`, curveSvg(fitted.history));
    }
    await writeWhole(report, page);
    if (json) printJson(fitDocument(id, fitted, out, report));
    else print(fitSummary(fitted, out, report));
    if (open) await openPage(report);
    return 0;
  },
};
