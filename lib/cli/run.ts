/**
 * What the commands share: the options that choose a classifier and how it looks at images, Ctrl-C, and
 * going on after a bad image.
 *
 * @module
 */

import type { ClassifierOptions } from "../classifier.ts";
import type { ViewOptions } from "../input/views.ts";
import type { ImageInput } from "../image/image.ts";
import { type Arguments, choiceOption, numberOption, UsageError } from "./arguments.ts";
import { isUrl } from "./inputs.ts";
import { ProgressLine } from "./progress.ts";

/** Options that choose a classifier. */
export const CLASSIFIER_OPTIONS = ["model", "backend", "precision", "threads"] as const;

/** Help for {@linkcode CLASSIFIER_OPTIONS} and `--offline`. */
export const CLASSIFIER_HELP =
  `  --model MODEL         catalog id, path or URL of a model file (default: the embedded model)
  --backend BACKEND     auto, webgpu or wasm (default: auto)
  --precision PRECISION int8 or float (default: int8)
  --threads N           threads of the wasm backend (default: chosen by the model's size)
  --offline             never touch the network`;

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

/** Options with a value that say how images are looked at; `flip` is a flag. */
export const VIEW_OPTIONS = ["crops", "scales"] as const;

/** Help for {@linkcode VIEW_OPTIONS} and `--flip`. */
export const VIEW_HELP =
  `  --crops CROPS         center, ten, dense, multi or dense+multi (default: center)
  --scales Q,...        shorter sides in pixels that are averaged over (default: the model's own)
  --flip                average with the mirrored image`;

/** How a command line asks to look at images. */
export function viewOptions(args: Arguments): ViewOptions {
  return {
    crops: choiceOption(args, "crops", ["center", "ten", "dense", "multi", "dense+multi"]),
    scales: scalesOption(args),
    flip: args.flags.has("flip") ? true : undefined,
  };
}

function scalesOption(args: Arguments): number[] | undefined {
  const text = args.values.get("scales");
  const scales = text?.split(",").map(Number);
  if (scales?.some((scale) => !Number.isInteger(scale))) {
    throw new UsageError(`Option --scales needs integers such as 256,384: found "${text}"`);
  }
  return scales;
}

/** Runs work that Ctrl-C aborts: resolves to its exit code, or to 130 if it was aborted. */
export async function untilInterrupted(
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const interrupt = new AbortController();
  const stop = (): void => interrupt.abort();
  Deno.addSignalListener("SIGINT", stop);
  try {
    return await work(interrupt.signal);
  } catch (error) {
    if (interrupt.signal.aborted) return 130;
    throw error;
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
  }
}

/**
 * Does something with one image after the other: an image that fails is reported, the others go on.
 *
 * @param verb Such as `["Classifying", "classified"]`, for what is shown.
 * @param work Returns what to print once the progress line is gone.
 * @returns The exit code: 1 if an image failed
 */
export async function eachImage(
  files: readonly string[],
  verb: readonly [doing: string, done: string],
  signal: AbortSignal,
  work: (image: ImageInput, file: string) => Promise<string | undefined>,
): Promise<number> {
  const progress = files.length > 1 ? new ProgressLine(verb[0]) : undefined;
  let failed = 0;
  for (const [done, file] of files.entries()) {
    progress?.update(done, files.length);
    try {
      const text = await work(imageOf(file), file);
      if (text === undefined) continue;
      progress?.clear();
      console.log(text);
    } catch (error) {
      signal.throwIfAborted();
      progress?.clear();
      console.error(`error: ${file}: ${messageOf(error)}`);
      failed++;
    }
  }
  progress?.clear();
  if (failed > 0 && files.length > 1) {
    console.error(`${failed} of ${files.length} images could not be ${verb[1]}`);
  }
  return failed > 0 ? 1 : 0;
}

function imageOf(operand: string): ImageInput {
  if (operand === "-") return Deno.stdin.readable;
  return isUrl(operand) ? new URL(operand) : operand;
}

/** An error's message for a terminal: no stack, no class name where the message says it all. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A file of a directory, named after an operand: `photos/cat.jpg` and `.png` give `cat.png`. */
export class NameGiver {
  readonly #given = new Set<string>();

  /** A name that was not given before. */
  name(operand: string, extension: string): string {
    const base = operand === "-" ? "stdin" : operand.split(/[?#]/)[0].split(/[/\\]/).at(-1)!;
    const stem = base.replace(/\.[^.]*$/, "") || "image";
    let name = stem + extension;
    for (let n = 2; this.#given.has(name); n++) name = `${stem}-${n}${extension}`;
    this.#given.add(name);
    return name;
  }
}
