/** Command-line arguments: parsed by a table of options, checked, and wrong ones named. */

import { parseArgs } from "@std/cli/parse-args";
import {
  checkValue,
  flagName,
  type Option,
  readOptions,
  type Table,
  type Values,
} from "../options.ts";
import { UsageError } from "./usage_error.ts";

/** A command line, parsed. */
export interface Arguments<T extends Table> {
  /** What is not an option, in order. */
  readonly operands: readonly string[];
  /** The options that were given; of one given twice, the last. */
  readonly options: Values<T>;
  /** Whether help was asked for. */
  readonly isHelp: boolean;
}

/** Every command has it. */
export const HELP_OPTION = { help: { kind: "boolean", about: "Shows this" } } satisfies Table;

/** An option's flag, without the dashes: `--no-flip` for `flip`, which is on by default. */
export function flagOf(name: string, { kind, default: value }: Option): string {
  return (kind === "boolean" && value === true ? "no-" : "") + flagName(name);
}

/**
 * Parses `--flag`, `--option value`, `--option=value` and operands; `--` ends the options.
 *
 * @throws {UsageError} If an option is unknown (the message names the nearest), lacks its value, or has
 * a wrong one.
 */
export function parseArguments<T extends Table>(args: readonly string[], table: T): Arguments<T> {
  const all: Table = { ...table, ...HELP_OPTION };
  const flags = Object.entries(all).map(([name, option]) => {
    return { name, option, flag: flagOf(name, option), isFlag: option.kind === "boolean" };
  });
  const called = (name: string, option: Option): string => `--${flagOf(name, option)}`;
  const unknown: [called: string, text: string][] = [];
  const parsed = parseArgs([...args], {
    boolean: flags.filter(({ isFlag }) => isFlag).map(({ flag }) => flag),
    string: [...flags.filter(({ isFlag }) => !isFlag).map(({ flag }) => flag), "_"],
    unknown: (text: string, key?: string) => {
      // Operands are reported here too, without a key; "-" is standard input.
      if (key !== undefined && text !== "-") unknown.push([text.replace(/=.*/s, ""), ""]);
      return key === undefined;
    },
  });
  const texts = flags.flatMap(({ name, option, flag }): [called: string, text: string][] => {
    const value: string | boolean | undefined = parsed[flag];
    // Whoever asks for help need not have the rest right.
    if (value === undefined || value === false || parsed.help && name !== "help") return [];
    if (value === "") throw new UsageError(`Option --${flag} needs a value`);
    return [[`--${flag}`, String(value === true ? option.default !== true : value)]];
  });
  const { help, ...options } = asUsage(() =>
    readOptions(all, [...unknown, ...texts], "option", called)
  );
  return { operands: parsed._.map(String), options: options as Values<T>, isHelp: help === true };
}

/**
 * Checks what a flag stands for where its option has bounds that were not known before.
 *
 * @throws {UsageError} If it is wrong.
 */
export function checkedValue<Value>(name: string, option: Option, value: Value): Value {
  asUsage(() => checkValue(`--${flagOf(name, option)}`, option, value));
  return value;
}

function asUsage<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}
