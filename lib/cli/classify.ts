/** `classify`: says which label each picture gets. */

import { readImage } from "../image/read.ts";
import {
  pickOptions,
  RESOLVE_OPTIONS,
  SELECTION_OPTIONS,
  type Table,
  text,
  type Values,
  VIEW_OPTIONS,
} from "../options.ts";
import type { Prediction } from "../output/predictions.ts";
import { kindOf } from "../platform.ts";
import type { Command } from "./command.ts";
import { classifyShape, type Result } from "./classify_shape.ts";
import { drawer } from "./draw.ts";
import { expandInputs, INPUT_FLAGS } from "./inputs.ts";
import { imagesIn, KnownImages, stampsOf } from "./known_images.ts";
import { openClassifier, openModel } from "./loading.ts";
import { checkOutputs, makeFolderOf, OUTPUT_FLAGS, outputsOf } from "./outputs.ts";
import { FORMAT_FLAGS, formatOf, isTable, Results } from "./results.ts";
import {
  CLASSIFIER_FLAGS,
  eachAlone,
  type Failure,
  imagesOf,
  keepEach,
  once,
  withSettings,
} from "./run.ts";
import {
  checkNoParts,
  checkOnlyParts,
  findJob,
  type PartResults,
  PARTS_OPTIONS,
  PARTS_OUT_DIR,
  runParts,
  withPartCodes,
} from "./parts/run_parts.ts";
import { WRITES } from "./permissions.ts";
import { checkExecutor, selectionSettings, settingsOf, viewSettings } from "./settings.ts";
import { parseShard, SHARD_OPTION, takeShard } from "./shard.ts";
import { columns } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const SELECTION = SELECTION_OPTIONS, { topK, scoreThreshold, allow, deny } = SELECTION;
/** Labels of a picture where many are shown, a line each. */
const FEW = 1;

const OPTIONS = {
  topK: { ...topK, unset: `${topK.default} of one picture and in JSON, otherwise ${FEW}` },
  ...{ scoreThreshold, allow, deny },
  draw: text({ placeholder: "DIR" }, "Also save each picture with its labels, as PNG"),
  ...FORMAT_FLAGS,
  out: text(
    { placeholder: "FILE" },
    "Add JSON lines to FILE, of one model and its settings; pictures that it has are skipped, so that a " +
      "run that was interrupted goes on",
  ),
  ...OUTPUT_FLAGS,
  ...INPUT_FLAGS,
  ...SHARD_OPTION,
  ...PARTS_OPTIONS,
  ...PARTS_OUT_DIR,
  ...VIEW_OPTIONS,
  ...CLASSIFIER_FLAGS,
} satisfies Table;

type Options = Values<typeof OPTIONS>;

export const classifyCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] PICTURE ...",
  operands: {
    "PICTURE":
      'A file, a folder (searched with all below), a URL, a pattern such as "*.jpg", or - for ' +
      "one picture on standard input",
  },
  examples: [
    { line: "vgg16 classify cat.jpg" },
    {
      line: "vgg16 classify photos --out labels.jsonl",
      about: "run again to go on",
      permissions: WRITES,
    },
    { line: "curl -s URL | vgg16 classify - --json" },
  ],
  options: OPTIONS,
  notes:
    "Exit code: 0, or 1 if an image could not be classified, or 2 for a wrong command line; of parts " +
    "0 once they are there, 65 for too many errors, 75 for what may pass.",

  async run(operands, options, signal) {
    if (options.manifest !== undefined) {
      return await withPartCodes(() => classifyParts(operands, options, signal), signal);
    }
    checkNoParts(options);
    const { draw, out, force = false } = options, format = formatOf(options);
    if (out !== undefined && format !== "text") {
      throw new UsageError(`--out adds JSON lines: leave out --${format}, or redirect it`);
    }
    const [, table] = /\.(csv|tsv|json)$/i.exec(out ?? "") ?? [];
    if (table !== undefined) {
      throw new UsageError(`--out adds JSON lines: for ${out} write --${table} > ${out}`);
    }
    const all = await expandInputs(operands, options);
    const isKept = out !== undefined || draw !== undefined;
    const inputs = takeShard(once(all, isKept), parseShard(options.shard), ({ name }) => name);
    const pictures = draw === undefined ? undefined : outputsOf(all, draw, ".png");
    // Whoever goes on draws anew what has changed; what no line is about is somebody else's.
    const before = pictures !== undefined && !force && isFile(out) ? imagesIn(out) : new Set();
    const drawn = (isAgain: boolean): string[] =>
      inputs.flatMap(({ name }) => before.has(name) === isAgain && pictures?.get(name) || []);
    const isWanted = await checkOutputs({
      reads: [...all.map(({ place }) => place), options.model, options.filesFrom],
      writes: drawn(false),
      grows: [...out === undefined ? [] : [out], ...drawn(true)],
    }, options);
    if (!isWanted) return 0;
    const isOne = inputs.length === 1;
    const isShort = out === undefined && (format === "text" && !isOne || isTable(format));
    const asked = await ask(options, isShort ? FEW : topK.default, signal);
    await using classifier = asked.classifier;
    const { classifying } = asked;
    const settings = { ...asked.settings, ...draw !== undefined && { draw } };
    if (out !== undefined) await makeFolderOf(out);
    using known = out === undefined
      ? undefined
      : await KnownImages.open(out, settings, await stampsOf(inputs), {
        isReplaced: force,
        // What was drawn and is gone is drawn again.
        take: ({ file }) => pictures === undefined || isFile(pictures.get(String(file))),
      });
    const left = inputs.filter(({ name }) => !known?.files.has(name));
    const shape = classifyShape(classifier.info, settings, { isOne, isShort, columns: columns() });
    const results = known === undefined ? new Results(format, shape) : undefined;
    const keep = (result: Result): void => {
      checkExecutor(classifier);
      results?.add(result);
      known?.append({ file: result.file, predictions: result.predictions });
    };
    const keepFailure = (failure: Failure): void => {
      results?.fail(failure);
      known?.append({ ...failure });
    };
    const about = {
      ...{ total: inputs.length, done: inputs.length - left.length, where: out ?? draw },
      ...{ verb: ["Classifying", "classified"] as const, goesOn: out !== undefined, signal },
    };
    try {
      if (pictures === undefined) {
        const starts = new Map<number, number>();
        const images = imagesOf(left, (index) => void starts.set(index, performance.now()));
        const items = classifier.stream(images, classifying);
        return await keepEach(items, about, ({ index, predictions }, file) => {
          const latencyMs = performance.now() - starts.get(index)!;
          starts.delete(index);
          keep({ file, predictions, latencyMs });
        }, keepFailure);
      }
      const save = await drawer(pictures, (file) => force || before.has(file));
      const items = eachAlone(left, signal, async (image) => {
        const start = performance.now();
        const pixels = await readImage(image, { offline: options.offline, signal });
        const predictions = await classifier.classify(pixels, classifying);
        return { pixels, predictions, latencyMs: performance.now() - start };
      });
      return await keepEach(items, about, async ({ result }, file) => {
        const { pixels, predictions, latencyMs } = result;
        // A line whose picture is not there is not believed; a picture without a line would be in the way.
        keep({ file, predictions, latencyMs });
        await save(pixels, file, predictions);
      }, keepFailure);
    } finally {
      results?.end();
    }
  },
};

/** Opens what looks at pictures, and says how it is to look at them. */
async function ask(options: Options, most: number, signal: AbortSignal) {
  const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal };
  const model = await openModel(options.model, pickOptions(RESOLVE_OPTIONS, wanted));
  const classifier = await openClassifier({ ...wanted, model });
  const views = pickOptions(VIEW_OPTIONS, options);
  const selection = { topK: most, ...pickOptions(SELECTION, options) };
  const classifying = { ...views, ...selection, signal };
  const settings = settingsOf("classify", [model], classifier.info, {
    ...viewSettings(views),
    ...selectionSettings(selection),
  });
  withSettings(() => classifier.stream([], classifying)); // Checks them before anything is written.
  return { classifier, classifying, settings };
}

/** Classifies the parts of a manifest: each gives a file of lines. */
async function classifyParts(
  operands: readonly string[],
  options: Options,
  signal: AbortSignal,
): Promise<number> {
  const { out, draw, json, jsonl, csv, tsv, filesFrom, hidden, shard } = options;
  checkOnlyParts({ out, draw, json, jsonl, csv, tsv, filesFrom, hidden, shard });
  const job = await findJob(operands, options);
  const { classifier, classifying, settings } = await ask(options, topK.default, signal);
  await using _classifier = classifier;
  const lines: PartResults<"predictions", readonly Prediction[]> = {
    record({ predictions }) {
      checkExecutor(classifier);
      return { predictions };
    },
    [Symbol.dispose]() {},
  };
  await runParts(
    job,
    {
      settings,
      verb: ["Classifying", "classified"],
      stream: (images) => classifier.stream(images, classifying),
      begin: () => lines,
    },
    options,
    signal,
  );
  return 0;
}

function isFile(path: string | undefined): path is string {
  try {
    return path !== undefined && kindOf(path) === "file";
  } catch {
    return false;
  }
}
