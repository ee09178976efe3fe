/**
 * `classify`: prints the labels of files, URLs, directories or standard input.
 *
 * @module
 */

import type { Classifier, ClassifierOptions, ClassifyOptions } from "../classifier.ts";
import { loadClassifier } from "../classifier.ts";
import type { ImageInput } from "../image/image.ts";
import type { Prediction } from "../predictions.ts";
import {
  type Arguments,
  choiceOption,
  numberOption,
  parseArguments,
  UsageError,
} from "./arguments.ts";
import { expandInputs, isUrl } from "./inputs.ts";
import { ProgressLine } from "./progress.ts";

const HELP = `Predicts the labels of images.

Usage: classify [OPTIONS] FILE|URL|DIRECTORY|- ...

  -                     reads one image from standard input
  DIRECTORY             is walked for image files

Options:
  --model MODEL         catalog id, path or URL of a model file (default: the embedded model)
  --backend BACKEND     auto, webgpu or wasm (default: auto)
  --precision PRECISION int8 or float (default: int8)
  --threads N           threads of the wasm backend (default: chosen by the model's size)
  --top-k N             labels per image (default: 5)
  --score-threshold X   only labels with a score of at least X, 0 to 1
  --offline             never touch the network
  --json                one JSON object a line: file, predictions, backend, latencyMs
  --help                shows this

Exit code: 0, or 1 if an image could not be classified, or 2 for a wrong command line.
`;

/** Options that choose a classifier, shared by all commands that need one. */
export const CLASSIFIER_OPTIONS = ["model", "backend", "precision", "threads"] as const;

/** Runs the command. Resolves to the exit code. */
export async function classifyCommand(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args, {
    flags: ["json", "offline"],
    values: [...CLASSIFIER_OPTIONS, "top-k", "score-threshold"],
  });
  if (parsed.flags.has("help")) {
    console.log(HELP);
    return 0;
  }
  if (parsed.operands.length === 0) {
    throw new UsageError("classify needs at least one file, URL, directory or - to read");
  }
  const inputs = await expandInputs(parsed.operands);
  const interrupt = new AbortController();
  const stop = (): void => interrupt.abort();
  Deno.addSignalListener("SIGINT", stop);
  try {
    const options = { ...classifierOptions(parsed), signal: interrupt.signal };
    await using classifier = await loadClassifier(options);
    return await classifyAll(classifier, inputs, {
      topK: topKOption(parsed, classifier),
      scoreThreshold: numberOption(parsed, "score-threshold", { min: 0, max: 1 }),
      signal: interrupt.signal,
    }, parsed.flags.has("json") ? printJson : printText);
  } catch (error) {
    if (interrupt.signal.aborted) return 130;
    throw error;
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
  }
}

/** The classifier that a command line asks for. */
export function classifierOptions(args: Arguments): ClassifierOptions {
  return {
    model: args.values.get("model"),
    backend: choiceOption(args, "backend", ["auto", "webgpu", "wasm"]),
    precision: choiceOption(args, "precision", ["int8", "float"]),
    threads: numberOption(args, "threads", { min: 1, integer: true }),
    offline: args.flags.has("offline"),
  };
}

function topKOption(args: Arguments, classifier: Classifier): number | undefined {
  const max = classifier.info.labels.length;
  return numberOption(args, "top-k", { min: 1, max, integer: true });
}

interface Result {
  readonly file: string;
  readonly predictions: readonly Prediction[];
  readonly backend: string;
  readonly latencyMs: number;
}

/** Classifies one image after the other: an image that fails is reported, the others go on. */
async function classifyAll(
  classifier: Classifier,
  inputs: readonly string[],
  options: ClassifyOptions,
  print: (result: Result) => void,
): Promise<number> {
  const { backend } = classifier.info;
  const progress = inputs.length > 1 ? new ProgressLine("Classifying") : undefined;
  let failed = 0;
  for (const [done, file] of inputs.entries()) {
    progress?.update(done, inputs.length);
    try {
      const start = performance.now();
      const predictions = await classifier.classify(imageOf(file), options);
      const latencyMs = Math.round((performance.now() - start) * 100) / 100;
      progress?.clear();
      print({ file, predictions, backend, latencyMs });
    } catch (error) {
      options.signal?.throwIfAborted();
      progress?.clear();
      console.error(`error: ${file}: ${messageOf(error)}`);
      failed++;
    }
  }
  progress?.clear();
  if (failed > 0 && inputs.length > 1) {
    console.error(`${failed} of ${inputs.length} images could not be classified`);
  }
  return failed > 0 ? 1 : 0;
}

function imageOf(operand: string): ImageInput {
  if (operand === "-") return Deno.stdin.readable;
  return isUrl(operand) ? new URL(operand) : operand;
}

function printJson(result: Result): void {
  console.log(JSON.stringify(result));
}

function printText({ file, predictions, backend, latencyMs }: Result): void {
  console.log(`${file}  (${backend}, ${latencyMs.toFixed(1)} ms)`);
  const width = Math.max(...predictions.map(({ label }) => label.length), 0);
  for (const { label, score } of predictions) {
    const percent = (score * 100).toFixed(1).padStart(5);
    const bar = "█".repeat(Math.round(score * 30));
    console.log(`  ${label.padEnd(width)}  ${percent} %  ${bar}`.trimEnd());
  }
  if (predictions.length === 0) console.log("  no label reaches the threshold");
}

/** An error's message for a terminal: no stack, no class name where the message says it all. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
