/**
 * Command-line arguments: parsed, checked, and wrong ones named.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { closestString } from "@std/text/closest-string";

/** A command line that cannot be carried out. Its message is for the person who typed it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The options that a command has, without their dashes. */
export interface OptionTable {
  /** Options without a value. */
  readonly flags?: readonly string[];
  /** Options with a value. */
  readonly values?: readonly string[];
}

/** A command line, parsed. */
export interface Arguments {
  /** What is not an option, in order. */
  readonly operands: readonly string[];
  /** The flags that were given. */
  readonly flags: ReadonlySet<string>;
  /** The values that were given; of an option given twice, the last. */
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Parses `--flag`, `--option value`, `--option=value` and operands; `--` ends the options.
 *
 * @throws {UsageError} If an option is unknown (the message names the nearest), or lacks its value.
 */
export function parseArguments(args: readonly string[], table: OptionTable): Arguments {
  const { flags = [], values = [] } = table;
  const known = ["help", ...flags, ...values];
  const unknown: string[] = [];
  const parsed = parseArgs([...args], {
    boolean: ["help", ...flags],
    string: [...values, "_"],
    unknown: (name: string, key?: string) => {
      // Operands are reported here too, without a key; "-" is standard input.
      if (key !== undefined && name !== "-") unknown.push(name);
      return key === undefined;
    },
  });
  if (unknown.length > 0) {
    const name = unknown[0].split("=")[0];
    const nearest = closestString(name.replace(/^-+/, ""), known);
    throw new UsageError(`Unknown option ${name}: did you mean --${nearest}?`);
  }
  const given = values.filter((name) => parsed[name] !== undefined);
  for (const name of given) {
    if (parsed[name] === "") throw new UsageError(`Option --${name} needs a value`);
  }
  return {
    operands: parsed._.map(String),
    flags: new Set(["help", ...flags].filter((name) => parsed[name])),
    values: new Map(given.map((name) => [name, String([parsed[name]].flat().at(-1))])),
  };
}

/**
 * Reads an option's value as a number within bounds.
 *
 * @throws {UsageError} If it is not one.
 */
export function numberOption(
  args: Arguments,
  name: string,
  bounds: { min: number; max?: number; integer?: boolean },
): number | undefined {
  const text = args.values.get(name);
  if (text === undefined) return undefined;
  const { min, max = Infinity, integer = false } = bounds;
  const value = Number(text);
  if (!(value >= min && value <= max) || (integer && !Number.isInteger(value))) {
    const kind = integer ? "an integer" : "a number";
    const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new UsageError(`Option --${name} needs ${kind} ${range}: found "${text}"`);
  }
  return value;
}

/**
 * Reads an option's value as one of a few words.
 *
 * @throws {UsageError} If it is none of them.
 */
export function choiceOption<Choice extends string>(
  args: Arguments,
  name: string,
  choices: readonly Choice[],
): Choice | undefined {
  const text = args.values.get(name);
  if (text === undefined) return undefined;
  const choice = choices.find((c) => c === text);
  if (choice === undefined) {
    throw new UsageError(`Option --${name} needs one of ${choices.join(", ")}: found "${text}"`);
  }
  return choice;
}
