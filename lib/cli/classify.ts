/** `classify`: prints the labels of files, URLs, directories or standard input. */

import { makeFolder } from "../platform.ts";
import { loadClassifier } from "../classifier.ts";
import { resolveModel } from "../open_model.ts";
import type { ImageInput } from "../image/image.ts";
import { writeWhole } from "../io/atomic_file.ts";
import { readImage } from "../image/read.ts";
import {
  flag,
  pickOptions,
  RESOLVE_OPTIONS,
  SELECTION_OPTIONS,
  type Table,
  text,
  VIEW_OPTIONS,
} from "../options.ts";
import { isUnsure, type Prediction } from "../output/predictions.ts";
import type { Command } from "./command.ts";
import { expandInputs, type Input } from "./inputs.ts";
import { KnownImages, stampsOf } from "./known_images.ts";
import { keepInputs, outputsOf } from "./outputs.ts";
import {
  CLASSIFIER_FLAGS,
  CLASSIFIER_TITLE,
  eachAlone,
  type Failure,
  imagesOf,
  keepEach,
} from "./run.ts";
import { type Settings, settingsOf, viewSettings } from "./settings.ts";
import { parseShard, SHARD_OPTION, takeShard } from "./shard.ts";
import { displayWidth, padEnd } from "./table.ts";
import { print, printJson, tell } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const OPTIONS = {
  topK: SELECTION_OPTIONS.topK,
  scoreThreshold: SELECTION_OPTIONS.scoreThreshold,
  ...VIEW_OPTIONS,
  draw: text(
    { placeholder: "DIR" },
    "Also write the images as PNG files with up to 3 labels on them",
  ),
  json: flag(
    {},
    "One JSON object a line: file, predictions, backend, latencyMs (since it was opened); or file " +
      "and error, which has code, retryable, message",
  ),
  out: text(
    { placeholder: "FILE" },
    "Add such lines, without times, to a file of JSON lines that begins with the settings; images " +
      "that it has are left out: a run that was interrupted goes on",
  ),
  force: flag({}, "Begin FILE anew, also if other settings made it"),
  ...SHARD_OPTION,
  ...CLASSIFIER_FLAGS,
} satisfies Table;

/** Labels on a drawn image. */
const DRAWN_LABELS = 3;

export const classifyCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] FILE|URL|DIRECTORY|- ...",
  operands: {
    "-": "Reads one image from standard input",
    "DIRECTORY": "Is walked for image files",
  },
  options: OPTIONS,
  titles: CLASSIFIER_TITLE,
  notes: "Exit code: 0, or 1 if an image could not be classified, or 2 for a wrong command line.",

  goesOn: ({ out }) => out !== undefined,

  async run(operands, options, signal) {
    const { topK, scoreThreshold, draw, json, out, force = false, shard, offline } = options;
    if (force && out === undefined) throw new UsageError("Option --force needs --out");
    const all = await expandInputs(operands), inputs = takeShard(all, parseShard(shard));
    const pictures = draw === undefined ? undefined : outputsOf(all, draw, ".png");
    const outputs = [...pictures?.values() ?? [], ...out === undefined ? [] : [out]];
    await keepInputs([...all.map(({ place }) => place), options.model], outputs);
    const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal, onWarning: tell };
    const model = await resolveModel(options.model, pickOptions(RESOLVE_OPTIONS, wanted));
    await using classifier = await loadClassifier({ ...wanted, model });
    const { backend, multiLabel } = classifier.info, views = pickOptions(VIEW_OPTIONS, options);
    const settings = settingsOf("classify", [model], classifier.info, {
      ...viewSettings(views),
      topK: String(topK ?? SELECTION_OPTIONS.topK.default),
      scoreThreshold: String(scoreThreshold ?? SELECTION_OPTIONS.scoreThreshold.default),
    });
    using known = out === undefined ? undefined : await openLines(out, inputs, settings, force);
    // What is given twice is computed once, unless it is printed.
    const each = known === undefined
      ? inputs
      : [...new Map(inputs.map((input) => [input.name, input])).values()];
    const left = each.filter(({ name }) => !known?.files.has(name));
    const classifying = { ...views, topK, scoreThreshold, signal };
    const show = json
      ? printJson
      : (result: Result) => print(textOf(result, multiLabel, inputs.length === 1));
    const keep = (result: Result): void => {
      if (known === undefined) return show(result);
      const { file, predictions } = result;
      known.append({ file, predictions });
    };
    const keepFailure = known !== undefined
      ? (failure: Failure) => known.append({ ...failure })
      : json
      ? printJson
      : undefined;
    if (draw === undefined || pictures === undefined) {
      const starts = new Map<number, number>();
      const images = imagesOf(left, (index) => void starts.set(index, performance.now()));
      const items = classifier.stream(images, classifying);
      return await keepEach(items, left.length, VERB, ({ index, predictions }, file) => {
        const latencyMs = since(starts.get(index)!);
        starts.delete(index);
        keep({ file, predictions, backend, latencyMs });
      }, keepFailure);
    }
    await makeFolder(draw);
    const drawn = await drawer(pictures);
    const items = eachAlone(left, signal, async (image) => {
      const start = performance.now();
      const pixels = await readImage(image, { offline, signal });
      const predictions = await classifier.classify(pixels, classifying);
      return { pixels, predictions, latencyMs: since(start) };
    });
    return await keepEach(items, left.length, VERB, async ({ result }, file) => {
      const { pixels, predictions, latencyMs } = result;
      await drawn(pixels, file, predictions);
      keep({ file, predictions, backend, latencyMs });
    }, keepFailure);
  },
};

/** Opens a file of what was found so far. */
async function openLines(
  out: string,
  inputs: readonly Input[],
  settings: Settings,
  isReplaced: boolean,
): Promise<KnownImages> {
  if (isReplaced) await writeWhole(out, "");
  return await KnownImages.open(out, settings, await stampsOf(inputs), { isReplaced: false });
}

/** Milliseconds, as they are shown. */
function since(start: number): number {
  return Math.round((performance.now() - start) * 100) / 100;
}

const VERB = ["Classifying", "classified"] as const;

type Draw = (image: ImageInput, file: string, predictions: readonly Prediction[]) => Promise<void>;

/** Writes labeled pictures, each of a file to its path. */
async function drawer(pictures: ReadonlyMap<string, string>): Promise<Draw> {
  const { drawPredictions } = await import("../explain/draw.ts");
  const { encodePng } = await import("../image/codecs/encode_png.ts");
  return async (image, file, predictions) => {
    const picture = await drawPredictions(
      await readImage(image),
      predictions.slice(0, DRAWN_LABELS),
    );
    await writeWhole(pictures.get(file)!, await encodePng(picture));
  };
}

interface Result {
  readonly file: string;
  readonly predictions: readonly Prediction[];
  readonly backend: string;
  readonly latencyMs: number;
}

/**
 * @param multiLabel Whether each label has a score of its own: the bars are no parts of a whole.
 * @param isAlone Whether it waited for no other picture, so that people may be told how long it took.
 */
function textOf(
  { file, predictions, backend, latencyMs }: Result,
  multiLabel: boolean,
  isAlone: boolean,
): string[] {
  const width = Math.max(...predictions.map(({ label }) => displayWidth(label)), 0);
  const lines = predictions.map(({ label, score }) => {
    const percent = (score * 100).toFixed(1).padStart(5);
    const bar = "█".repeat(Math.round(score * 30));
    return `  ${padEnd(label, width)}  ${percent} %  ${bar}`.trimEnd();
  });
  if (lines.length === 0) lines.push("  no label reaches the threshold");
  if (isUnsure(predictions[0])) lines.unshift("  not sure; candidates:");
  const how = multiLabel ? "; each label by itself" : "";
  const time = isAlone ? `, ${latencyMs.toFixed(1)} ms` : "";
  return [`${file}  (${backend}${time}${how})`, ...lines];
}
