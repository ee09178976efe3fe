/**
 * `classify`: prints the labels of files, URLs, directories or standard input.
 *
 * @module
 */

import { join } from "@std/path/join";
import { type Classifier, type ClassifyOptions, loadClassifier } from "../classifier.ts";
import type { ImageInput } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import type { Prediction } from "../output/predictions.ts";
import { type Arguments, numberOption, parseArguments, UsageError } from "./arguments.ts";
import { expandInputs } from "./inputs.ts";
import {
  CLASSIFIER_HELP,
  CLASSIFIER_OPTIONS,
  classifierOptions,
  eachImage,
  NameGiver,
  untilInterrupted,
  VIEW_HELP,
  VIEW_OPTIONS,
  viewOptions,
} from "./run.ts";
import { ResumableLines, SHARD_HELP, shardOption, takeShard } from "./shard.ts";

const HELP = `Predicts the labels of images.

Usage: classify [OPTIONS] FILE|URL|DIRECTORY|- ...

  -                     reads one image from standard input
  DIRECTORY             is walked for image files

Options:
${CLASSIFIER_HELP}
${VIEW_HELP}
  --top-k N             labels per image (default: 5)
  --score-threshold X   only labels with a score of at least X, 0 to 1
  --draw DIR            also write the images as PNG files with up to 3 labels on them
  --json                one JSON object a line: file, predictions, backend, latencyMs
  --out FILE            add these lines to a file, without the images that it has: a run that was
                        interrupted goes on
${SHARD_HELP}
  --help                shows this

Exit code: 0, or 1 if an image could not be classified, or 2 for a wrong command line.
`;

/** Labels on a drawn image. */
const DRAWN_LABELS = 3;

/** Runs the command. Resolves to the exit code. */
export async function classifyCommand(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args, {
    flags: ["json", "offline", "flip"],
    values: [
      ...CLASSIFIER_OPTIONS,
      ...VIEW_OPTIONS,
      "top-k",
      "score-threshold",
      "draw",
      "out",
      "shard",
    ],
  });
  if (parsed.flags.has("help")) {
    console.log(HELP);
    return 0;
  }
  if (parsed.operands.length === 0) {
    throw new UsageError("classify needs at least one file, URL, directory or - to read");
  }
  const views = viewOptions(parsed);
  const inputs = takeShard(await expandInputs(parsed.operands), shardOption(parsed));
  const out = parsed.values.get("out");
  using lines = out === undefined ? undefined : await ResumableLines.open(out);
  const left = inputs.filter((input) => !lines?.done.has(input));
  return await untilInterrupted(async (signal) => {
    await using classifier = await loadClassifier({ ...classifierOptions(parsed), signal });
    const { backend } = classifier.info;
    const options: ClassifyOptions = {
      ...views,
      topK: topKOption(parsed, classifier),
      scoreThreshold: numberOption(parsed, "score-threshold", { min: 0, max: 1 }),
      signal,
    };
    const draw = await drawer(parsed.values.get("draw"));
    const print = parsed.flags.has("json") ? JSON.stringify : textOf;
    return await eachImage(left, ["Classifying", "classified"], signal, async (image, file) => {
      const start = performance.now();
      const pixels = draw ? await readImage(image, options) : image;
      const predictions = await classifier.classify(pixels, options);
      const latencyMs = Math.round((performance.now() - start) * 100) / 100;
      await draw?.(pixels, file, predictions);
      const result = { file, predictions, backend, latencyMs };
      if (lines === undefined) return print(result);
      await lines.append(JSON.stringify(result));
    });
  });
}

function topKOption(args: Arguments, classifier: Classifier): number | undefined {
  const max = classifier.info.labels.length;
  return numberOption(args, "top-k", { min: 1, max, integer: true });
}

type Draw = (
  image: ImageInput,
  file: string,
  predictions: readonly Prediction[],
) => Promise<void>;

/** Writes labelled pictures into a directory, if one is given. */
async function drawer(directory: string | undefined): Promise<Draw | undefined> {
  if (directory === undefined) return undefined;
  const { drawPredictions } = await import("../explain/draw.ts");
  const { encodePng } = await import("../image/codecs/encode_png.ts");
  await Deno.mkdir(directory, { recursive: true });
  const names = new NameGiver();
  return async (image, file, predictions) => {
    const picture = await drawPredictions(
      await readImage(image),
      predictions.slice(0, DRAWN_LABELS),
    );
    await Deno.writeFile(join(directory, names.name(file, ".png")), await encodePng(picture));
  };
}

interface Result {
  readonly file: string;
  readonly predictions: readonly Prediction[];
  readonly backend: string;
  readonly latencyMs: number;
}

function textOf({ file, predictions, backend, latencyMs }: Result): string {
  const width = Math.max(...predictions.map(({ label }) => label.length), 0);
  const lines = predictions.map(({ label, score }) => {
    const percent = (score * 100).toFixed(1).padStart(5);
    const bar = "█".repeat(Math.round(score * 30));
    return `  ${label.padEnd(width)}  ${percent} %  ${bar}`.trimEnd();
  });
  if (lines.length === 0) lines.push("  no label reaches the threshold");
  return [`${file}  (${backend}, ${latencyMs.toFixed(1)} ms)`, ...lines].join("\n");
}
