/**
 * Query parameters -> options. They have the names of the options of `classify` and `embed`.
 *
 * @module
 */

import { closestString } from "@std/text/closest-string";
import type { ClassifyOptions, EmbedOptions } from "../../classifier.ts";
import type { ViewOptions } from "../../input/views.ts";
import type { ExplainOptions } from "../../explain/explain.ts";
import type { SelectionOptions } from "../../output/predictions.ts";
import { HttpProblem } from "../server/problems.ts";

/** Most scales of a request, and the largest: what an image costs grows with both. */
const MAX_SCALES = 3, MAX_SCALE = 1024;

type Reader = (texts: readonly string[], name: string) => unknown;

const READERS: Readonly<Record<string, Reader>> = {
  topK: readNumber,
  scoreThreshold: readNumber,
  allow: (texts) => texts,
  deny: (texts) => texts,
  crops: readOne,
  scales: readScales,
  flip: readBoolean,
  layer: readOne,
  pooling: readOne,
  normalize: readBoolean,
  label: readOne,
  method: readOne,
  scale: readNumber,
};

/** Names of the parameters of `/classify`. */
const CLASSIFY = ["topK", "scoreThreshold", "allow", "deny", "crops", "scales", "flip"];
const EMBED = ["layer", "pooling", "normalize"];
const EXPLAIN = ["label", "method", "scale"];

/** Options of a classification. */
export function classifyOptions(query: URLSearchParams): ClassifyOptions {
  return readOptions(query, CLASSIFY);
}

/** Options of an embedding. */
export function embedOptions(query: URLSearchParams): EmbedOptions {
  return readOptions(query, EMBED);
}

/** Options of an explanation. */
export function explainOptions(query: URLSearchParams): ExplainOptions {
  const options = readOptions<ExplainOptions>(query, EXPLAIN);
  if (options.scale !== undefined && options.scale > MAX_SCALE) {
    throw new HttpProblem(
      "bad-option",
      `Expected scale to be at most ${MAX_SCALE}, found ${options.scale}`,
    );
  }
  return options;
}

/** Those that say how an image is looked at. */
export function viewOptions({ crops, scales, flip }: ViewOptions): ViewOptions {
  return { crops, scales, flip };
}

/** Those that say which predictions are returned. */
export function selectionOptions(options: SelectionOptions): SelectionOptions {
  const { topK, scoreThreshold, allow, deny } = options;
  return { topK, scoreThreshold, allow, deny };
}

/**
 * Runs a check of options, whose errors are the client's.
 *
 * @throws {HttpProblem} `bad-option` for a RangeError or a TypeError
 */
export function checkingOptions<Value>(check: () => Value): Value {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    throw new HttpProblem("bad-option", error.message, { cause: error });
  }
}

function readOptions<Options>(query: URLSearchParams, names: readonly string[]): Options {
  const options: Record<string, unknown> = {};
  for (const name of new Set(query.keys())) {
    if (!names.includes(name)) {
      throw new HttpProblem(
        "bad-option",
        `There is no parameter "${name}" here: did you mean "${closestString(name, names)}"?`,
      );
    }
    options[name] = READERS[name](query.getAll(name), name);
  }
  return options as Options; // Values are checked where they are used.
}

function readOne(texts: readonly string[], name: string): string {
  if (texts.length === 1) return texts[0];
  throw new HttpProblem("bad-option", `Expected one ${name}, found ${texts.length}`);
}

function readNumber(texts: readonly string[], name: string): number {
  const text = readOne(texts, name);
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new HttpProblem("bad-option", `Expected ${name} to be a number, found "${text}"`);
}

function readBoolean(texts: readonly string[], name: string): boolean {
  const text = readOne(texts, name);
  if (text === "true" || text === "false") return text === "true";
  throw new HttpProblem("bad-option", `Expected ${name} to be true or false, found "${text}"`);
}

function readScales(texts: readonly string[], name: string): number[] {
  const scales = readOne(texts, name).split(",").map(Number);
  if (scales.length <= MAX_SCALES && scales.every((scale) => scale <= MAX_SCALE)) return scales;
  throw new HttpProblem(
    "bad-option",
    `Expected at most ${MAX_SCALES} ${name}, each at most ${MAX_SCALE}, such as 256,384: ` +
      `found "${texts[0]}"`,
  );
}
