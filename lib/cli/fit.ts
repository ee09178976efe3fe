/**
 * `fit`: teaches a model your own classes.
 *
 * @module
 */

import { type Dataset, listSamples } from "../input/dataset.ts";
import { fit, type FitOptions } from "../train/fit.ts";
import type { FitProgress, Fitted, LearningOptions } from "../train/options.ts";
import { fitFromScratch, type ScratchOptions } from "../train/scratch.ts";
import { curveSvg, fitReport } from "../train/report.ts";
import {
  type Arguments,
  choiceOption,
  numberOption,
  parseArguments,
  UsageError,
} from "./arguments.ts";
import { ProgressLine } from "./progress.ts";
import { CLASSIFIER_HELP, CLASSIFIER_OPTIONS, classifierOptions, untilInterrupted } from "./run.ts";

const HELP = `Teaches a model your own classes: freezes its layers and trains a new head.

Usage: fit [OPTIONS] --out MODEL DIRECTORY|LIST

  DIRECTORY             one folder per class, named by its label
  LIST                  a .csv or .txt file: a path and a label on each line

Options:
  --out MODEL           the model file to write; MODEL-fit/ beside it gets the report, and what an
                        interrupted run needs to go on
  --layer LAYER         the last frozen layer: pool5, fc6 or fc7 (default: the one before the labels)
  --hidden N            units of a hidden layer (default: 0, none)
  --whitening KIND      none, standardize, pca or zca, of the features (default: standardize);
                        with --scratch none or zca, of the pixels (default: none)
  --grayscale           drop the pictures' colours, also when the model classifies
  --standardize KIND    image: remove each picture's own mean and deviation
                        (default: dataset with --scratch, otherwise as the frozen model does)
  --crops N             random crops of each picture to learn from as well (default: 2)
  --no-flip             do not learn from mirrored pictures
  --no-balance          do not let rare classes count as much as frequent ones
  --validation PART     part of each class kept for validation (default: 0.2)
  --epochs N            at most this many passes over the pictures (default: 200; 10 with --scratch)
  --patience N          epochs without improvement after which it stops (default: 20)
  --optimizer NAME      adam, momentum or sgd (default: adam)
  --learning-rate X     (default: 0.001 for adam, 0.01 otherwise; three times that with --scratch)
  --batch-size N        (default: 32, or 256 with many pictures; 64 with --scratch)
  --weight-decay X      (default: 0.01)
  --seed N              of all random choices (default: 0)

Without a model to begin with (slower, and it takes more pictures):
  --scratch CONFIG      train all layers of a small VGG: A, B, D or E
  --width PART          of the paper's channels (default: 0.125, so 8 to 64)
  --dense N,...         units of the hidden dense layers (default: 64)
  --side N              side of the input in pixels (default: 32)
  --channels N          1 (gray) or 3 (default: 3)

Of the classifier:
${CLASSIFIER_HELP}
  --help                shows this

Exit code: 0, or 1 if it failed, or 2 for a wrong command line; 130 after Ctrl-C: run it again to go on.
`;

const LEARNING_VALUES = [
  ...["layer", "hidden", "whitening", "crops", "validation", "epochs", "patience", "optimizer"],
  ...["learning-rate", "batch-size", "weight-decay", "seed", "out", "standardize"],
  ...["scratch", "width", "dense", "side", "channels"],
];

/** Runs the command. Resolves to the exit code. */
export async function fitCommand(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args, {
    flags: ["offline", "no-flip", "no-balance", "grayscale"],
    values: [...CLASSIFIER_OPTIONS, ...LEARNING_VALUES],
  });
  if (parsed.flags.has("help")) {
    console.log(HELP);
    return 0;
  }
  const out = parsed.values.get("out");
  if (out === undefined) throw new UsageError("fit needs --out MODEL for the file that it writes");
  if (parsed.operands.length !== 1) throw new UsageError("fit needs one directory or list");
  const options = learningOptions(parsed), train = trainer(parsed);
  return await untilInterrupted(async (signal) => {
    const data = await listSamples(parsed.operands[0]);
    const directory = out.replace(/\.safetensors$/, "") + "-fit";
    const id = out.split(/[/\\]/).at(-1)!.replace(/\.safetensors$/, "");
    const show = progressView();
    const fitted = await train(data, { ...options, directory, id, signal, onFit: show.update });
    show.clear();
    await Deno.writeFile(out, fitted.model);
    await Deno.writeTextFile(`${directory}/learning_curve.svg`, curveSvg(fitted.history));
    await Deno.writeTextFile(`${directory}/report.html`, fitReport(id, data, fitted));
    console.log(summary(fitted, out, directory));
    return 0;
  });
}

type Trainer = (data: Dataset, options: FitOptions & ScratchOptions) => Promise<Fitted>;

/** What trains: a new head, or all of a small network. */
function trainer(args: Arguments): Trainer {
  const configuration = choiceOption(args, "scratch", ["A", "B", "D", "E"]);
  const kind = choiceOption(args, "standardize", ["image", "dataset"]);
  if (configuration === undefined) {
    if (kind === "dataset") throw new UsageError("--standardize dataset goes with --scratch");
    const options: FitOptions = {
      ...classifierOptions(args),
      layer: args.values.get("layer"),
      hidden: numberOption(args, "hidden", { min: 0, integer: true }),
      whitening: choiceOption(args, "whitening", ["none", "standardize", "pca", "zca"]),
      crops: numberOption(args, "crops", { min: 0, max: 100, integer: true }),
      grayscale: args.flags.has("grayscale"),
      standardize: kind,
    };
    return (data, learning) => fit(data, { ...learning, ...options });
  }
  const channels = numberOption(args, "channels", { min: 1, max: 3, integer: true });
  const { backend, threads } = classifierOptions(args);
  const options: ScratchOptions = {
    ...{ backend, threads, configuration },
    width: numberOption(args, "width", { min: 0.01, max: 1 }),
    dense: sizesOption(args, "dense"),
    side: numberOption(args, "side", { min: 32, max: 256, integer: true }),
    channels: args.flags.has("grayscale") || channels === 1 ? 1 : 3,
    standardize: kind,
    whitening: pixelWhitening(args),
  };
  return (data, learning) => fitFromScratch(data, { ...learning, ...options });
}

function pixelWhitening(args: Arguments): ScratchOptions["whitening"] {
  const whitening = choiceOption(args, "whitening", ["none", "standardize", "pca", "zca"]);
  if (whitening === "pca") {
    throw new UsageError("pca makes no pictures of pictures: with --scratch, take --whitening zca");
  }
  return whitening === "zca" ? "zca" : "none";
}

function sizesOption(args: Arguments, name: string): number[] | undefined {
  const text = args.values.get(name);
  const sizes = text?.split(",").map(Number);
  if (sizes?.some((size) => !Number.isInteger(size) || size < 1)) {
    throw new UsageError(`Option --${name} needs sizes such as 64,64: found "${text}"`);
  }
  return sizes;
}

function learningOptions(args: Arguments): LearningOptions & { flip: boolean } {
  const positive = { min: 1, integer: true };
  return {
    flip: !args.flags.has("no-flip"),
    classWeights: args.flags.has("no-balance") ? "none" : "balanced",
    validation: numberOption(args, "validation", { min: 0.01, max: 0.99 }),
    epochs: numberOption(args, "epochs", positive),
    patience: numberOption(args, "patience", positive),
    optimizer: choiceOption(args, "optimizer", ["adam", "momentum", "sgd"]),
    learningRate: numberOption(args, "learning-rate", { min: 1e-9 }),
    batchSize: numberOption(args, "batch-size", positive),
    weightDecay: numberOption(args, "weight-decay", { min: 0 }),
    seed: numberOption(args, "seed", { min: 0, integer: true }),
  };
}

/** A bar while features are computed, then a line per epoch, which a pipe gets too. */
function progressView(): { update: (progress: FitProgress) => void; clear: () => void } {
  const bar = new ProgressLine("Computing features");
  let head = false;
  return {
    clear: () => bar.clear(),
    update(progress) {
      if (progress.stage === "features") {
        bar.update(progress.done, progress.total);
        return;
      }
      if (!head) {
        bar.clear();
        console.error("epoch    loss  val. loss  val. accuracy");
        head = true;
      }
      const { epoch, loss, validationLoss, validationAccuracy } = progress.metrics;
      const accuracy = (validationAccuracy * 100).toFixed(2) + " %";
      console.error(
        String(epoch).padStart(5) + loss.toFixed(4).padStart(8) +
          validationLoss.toFixed(4).padStart(11) + accuracy.padStart(15),
      );
    },
  };
}

function summary(fitted: Fitted, out: string, directory: string): string {
  const { split, history, bestEpoch, accuracy, labels, model } = fitted;
  return `${out}: ${labels.length} classes, ${(model.length / 1024).toFixed(0)} KiB\n` +
    `learned from ${split.train.length} pictures in ${history.length} epochs, the best was ${bestEpoch}\n` +
    `${
      (accuracy * 100).toFixed(2)
    } % of ${split.validation.length} validation pictures right, as int8\n` +
    `report: ${directory}/report.html`;
}
