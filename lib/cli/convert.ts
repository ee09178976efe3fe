/**
 * `convert`: a checkpoint of any format to a model file.
 *
 * @module
 */

import type { ConversionInput } from "../convert/source.ts";
import { type Conversion, convert, type ConvertOptions } from "../convert/convert.ts";
import type { Preprocessing, Provenance } from "../model/model.ts";
import { type Arguments, numberOption, parseArguments, UsageError } from "./arguments.ts";
import { untilInterrupted } from "./run.ts";
import { transferLine } from "./transfer_line.ts";

const HELP =
  `Converts a VGG checkpoint to a model file: int8 weights, batch normalisation folded in.

Usage: convert [OPTIONS] SOURCE --out FILE

SOURCE is a path, a URL or - for standard input. Its format is told from its contents:
PyTorch .pth, safetensors, Keras .h5, numpy .npy and .npz, Caffe, ONNX, TensorFlow.js model.json.

Options:
  --out FILE            the model file to write
  --id NAME             the model's name (default: SOURCE's without its ending)
  --labels FILE         labels in order: one a line, a JSON list, or "imagenet"
  --preprocess WHAT     torch, caffe, or a JSON file with a preprocessing
                        (default: what is usual for the format)
  --input-size N        height and width of the input, where the dense layers do not tell
  --license TEXT        the license of the weights
  --describe FILE       a JSON file with labels, preprocessing and provenance at once
  --report              prints shape, range, scale and signal to noise of each layer
  --help                shows this

Exit code: 0, 1 if the checkpoint could not be converted, 2 for a wrong command line.
`;

/** Runs the command. Resolves to the exit code. */
export async function convertCommand(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args, {
    flags: ["report"],
    values: ["out", "id", "labels", "preprocess", "input-size", "license", "describe"],
  });
  if (parsed.flags.has("help")) {
    console.log(HELP);
    return 0;
  }
  const [source, ...more] = parsed.operands;
  const out = parsed.values.get("out");
  if (source === undefined || more.length > 0) throw new UsageError("convert needs one SOURCE");
  if (out === undefined) throw new UsageError("convert needs --out FILE");

  return await untilInterrupted(async (signal) => {
    const line = transferLine("Converting");
    try {
      const input: ConversionInput = source === "-" ? Deno.stdin.readable : source;
      const options = { ...await readOptions(parsed), out, signal, onProgress: line.update };
      const conversion = await convert(input, options);
      line.clear();
      if (parsed.flags.has("report")) printReport(conversion);
      printSummary(conversion, out);
      return 0;
    } finally {
      line.clear();
    }
  });
}

function printSummary({ format, architecture, layers, size }: Conversion, out: string): void {
  const { configuration, input: { height, width, channels } } = architecture;
  console.log(
    `${out}: configuration ${configuration}, ${layers.length} layers, input ${height}x${width}x${channels}, from ${format}, ${
      (size / 1e6).toFixed(1)
    } MB`,
  );
}

async function readOptions(args: Arguments): Promise<ConvertOptions> {
  const { values } = args;
  const described = values.has("describe")
    ? await readJson<ConvertOptions>(values.get("describe")!)
    : {};
  const labels = values.get("labels");
  const preprocess = values.get("preprocess");
  const license = values.get("license");
  const provenance: Provenance = { ...described.provenance, ...(license && { license }) };
  return {
    labels: labels === undefined ? described.labels : await readLabels(labels),
    preprocessing: preprocess === undefined
      ? described.preprocessing
      : preprocess === "torch" || preprocess === "caffe"
      ? preprocess
      : await readJson<Preprocessing>(preprocess),
    provenance,
    id: values.get("id"),
    inputSize: numberOption(args, "input-size", { min: 32, max: 8192, integer: true }),
  };
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
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new UsageError(`There is no file ${file}`);
    throw error;
  }
}

function printReport({ layers }: Conversion): void {
  console.log("layer    shape             min       max       scale                  SQNR");
  for (const { name, shape, range, scale, sqnr } of layers) {
    const [min, max] = range.map((value) => value.toPrecision(4).padStart(9));
    const scales = `${scale[0].toExponential(2)} … ${scale[1].toExponential(2)}`;
    const size = shape.join("x").padEnd(16);
    console.log(`${name.padEnd(8)} ${size} ${min} ${max}   ${scales}  ${sqnr.toFixed(2)} dB`);
  }
}
