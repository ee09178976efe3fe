/** `convert`: a checkpoint of any format to a model file. */

import { system } from "../system/system.ts";
import { NotFound, readText as readFileText } from "../platform.ts";
import { type Conversion, convert, type ConvertOptions } from "../convert/convert.ts";
import type { ConversionInput } from "../convert/source.ts";
import { FORMATS_READ } from "../convert/formats/open_checkpoint.ts";
import type { Progress } from "../progress.ts";
import { type GivenPreprocessing, PRESET_NAMES } from "../convert/network/preprocessing.ts";
import type { PreprocessingPreset } from "../convert/formats/checkpoint.ts";
import { checkOptions, CONVERT_OPTIONS, flag, type Table, text, type Values } from "../options.ts";
import { VERSION } from "../version.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import { checkModelName, checkOutputs, makeFolderOf, OUTPUT_FLAGS } from "./outputs.ts";
import { WRITES } from "./permissions.ts";
import { megabytes, ProgressLine } from "./progress.ts";
import { describePreprocessing } from "./describe_preprocessing.ts";
import { print, printJson, tellWarning } from "./terminal.ts";

const { labels, ids, preprocessing, provenance, temperature, sureScore } = CONVERT_OPTIONS;
const { out, id, inputSize, afterPool, norm, activation, head, state, offline } = CONVERT_OPTIONS;

const OPTIONS = {
  out,
  id,
  labels: text(
    { placeholder: "FILE", unset: labels.unset },
    `${labels.about}: one a line, a JSON list, or "imagenet"`,
  ),
  preprocess: text(
    { placeholder: "WHAT", unset: preprocessing.unset },
    `${preprocessing.about}: ${preprocessing.choices.join(", ")}, or a JSON file with a ` +
      "preprocessing",
  ),
  inputSize,
  afterPool,
  norm,
  activation,
  head,
  state,
  license: text({ placeholder: "TEXT" }, "License of the weights"),
  describe: text(
    { placeholder: "FILE" },
    "JSON file with some or all of labels, ids, preprocessing, provenance, temperature (what logits are " +
      "divided by) and sureScore (from which on a first prediction is sure)",
  ),
  offline,
  ...OUTPUT_FLAGS,
  report: flag({}, "Print shape, range, scale and signal to noise of each layer"),
  json: flag({}, "Print all that is known of the conversion as one JSON document"),
} satisfies Table;

export const convertCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] SOURCE --out FILE",
  operands: {
    "SOURCE":
      "A file, a folder, a URL, hf:OWNER/NAME[@REVISION] for a repository of Hugging Face, or - for standard " +
      `input. Its format is told from its contents: ${FORMATS_READ}`,
  },
  examples: [
    { line: "vgg16 convert vgg16.pth --out vgg16.safetensors" },
    {
      line: "vgg16 convert hf:OWNER/NAME --out model.safetensors --labels labels.txt",
      permissions: `${WRITES} --allow-net`,
    },
  ],
  options: OPTIONS,
  groups: {
    "What is written": ["out", "id", "labels", "license", "describe", "report"],
    "What a file may not tell": [
      ...["preprocess", "inputSize", "afterPool", "norm", "activation", "head", "state"] as const,
    ],
  },
  notes: "Exit code: 0, 1 if the checkpoint could not be converted, 2 for a wrong command line.",

  async run([source, ...more], options, signal) {
    const { out, offline } = options;
    if (source === undefined || more.length > 0) throw new UsageError("convert needs one SOURCE");
    if (out === undefined) throw new UsageError("convert needs --out FILE");
    checkModelName(out);
    const { labels, describe, preprocess } = options;
    const reads = [source, labels, describe, preprocess];
    if (!await checkOutputs({ reads, writes: [out] }, options)) return 0;
    await makeFolderOf(out);
    using line = new ProgressLine("Converting");
    const input: ConversionInput = source === "-" ? system.stdin.readable : source;
    const described = await describedBy(options);
    const onProgress = (progress: Progress) => line.show(progress);
    const conversion = await convert(input, { ...described, offline, signal, onProgress, out });
    if (options.json) {
      printJson({
        program: "vgg16 convert",
        version: VERSION,
        out,
        ...conversion,
        bytes: undefined,
      });
      return 0;
    }
    if (options.report) printReport(conversion);
    printSummary(conversion, out);
    return 0;
  },
};

function printSummary(conversion: Conversion, out: string): void {
  const { format, architecture, layers, size, preprocessing, preprocessingFrom } = conversion;
  const { configuration, input: { height, width, channels } } = architecture;
  print(
    `${out}: configuration ${configuration}, ${layers.length} layers, ` +
      `input ${height}x${width}x${channels}, from ${format}, ${megabytes(size)}`,
  );
  print(`images: ${describePreprocessing(preprocessing)} (${preprocessingFrom})`);
  for (const assumption of conversion.assumptions) tellWarning(`assumed: ${assumption}`);
}

/** What a file that describes a model may say. */
const DESCRIBED = { labels, ids, preprocessing, provenance, temperature, sureScore };

type Description = Pick<ConvertOptions, keyof typeof DESCRIBED>;

/** What the options, and the files that they name, say about a model. */
async function describedBy(options: Values<typeof OPTIONS>): Promise<ConvertOptions> {
  const { describe, labels, preprocess, license, id, inputSize } = options;
  const { afterPool, norm, activation, head, state } = options;
  const described = describe === undefined ? {} : await readDescription(describe);
  return {
    ...described,
    labels: labels === undefined ? described.labels : await readLabels(labels),
    preprocessing: preprocess === undefined
      ? described.preprocessing
      : isPreset(preprocess)
      ? preprocess
      : await readJson<GivenPreprocessing>(preprocess),
    provenance: { ...described.provenance, ...(license && { license }) },
    ...{ id, inputSize, afterPool, norm, activation, head, state },
  };
}

async function readDescription(file: string): Promise<Description> {
  const described = await readJson<Description>(file);
  try {
    checkOptions(DESCRIBED, described);
    return described;
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

function isPreset(name: string): name is PreprocessingPreset {
  return (PRESET_NAMES as readonly string[]).includes(name);
}

async function readLabels(file: string): Promise<readonly string[]> {
  if (file === "imagenet") {
    const { IMAGENET_CLASSES } = await import("../model/labels.ts");
    return IMAGENET_CLASSES.map(({ label }) => label);
  }
  const text = await readText(file);
  if (!text.trimStart().startsWith("[")) return text.split(/\r?\n/).filter((line) => line !== "");
  const labels = parseJson(text, file);
  if (Array.isArray(labels) && labels.every((label) => typeof label === "string")) return labels;
  throw new UsageError(`Expected a list of strings in ${file}`);
}

/** The converter checks what it gets, so that the type is only what is hoped for. */
async function readJson<T>(file: string): Promise<T> {
  const value = parseJson(await readText(file), file);
  if (typeof value === "object" && value !== null) return value as T;
  throw new UsageError(`Expected a JSON object in ${file}`);
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`);
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFileText(file);
  } catch (error) {
    if (error instanceof NotFound) throw new UsageError(`There is no file ${file}`);
    throw error;
  }
}

function printReport({ layers }: Conversion): void {
  print("layer    shape             min       max       scale                  SQNR");
  for (const { name, shape, range, scale, sqnr } of layers) {
    const [min, max] = range.map((value) => value.toPrecision(4).padStart(9));
    const scales = `${scale[0].toExponential(2)} … ${scale[1].toExponential(2)}`;
    const size = shape.join("x").padEnd(16);
    print(`${name.padEnd(8)} ${size} ${min} ${max}   ${scales}  ${sqnr.toFixed(2)} dB`);
  }
}
