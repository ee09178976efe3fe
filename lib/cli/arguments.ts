/**
 * Command-line arguments: parsed by a table of options, checked, and wrong ones named.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import {
  checkValue,
  findOption,
  flagName,
  fromText,
  type Option,
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
export const HELP_OPTION = {
  help: { kind: "boolean", about: "Shows this" },
} satisfies Table;

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
  const options: [name: string, option: Option][] = Object.entries(table);
  const flags = Object.fromEntries(
    [...options, ...Object.entries(HELP_OPTION)]
      .map(([name, option]) => [`--${flagOf(name, option)}`, option]),
  );
  const named = (isFlag: boolean): string[] =>
    Object.keys(flags).filter((flag) => (flags[flag].kind === "boolean") === isFlag)
      .map((flag) => flag.slice(2));
  const unknown: string[] = [];
  const parsed = parseArgs([...args], {
    boolean: named(true),
    string: [...named(false), "_"],
    unknown: (text: string, key?: string) => {
      // Operands are reported here too, without a key; "-" is standard input.
      if (key !== undefined && text !== "-") unknown.push(text.split("=")[0]);
      return key === undefined;
    },
  });
  return asUsage(() => {
    unknown.forEach((flag) => findOption(flags, flag, "option"));
    const operands = parsed._.map(String);
    if (parsed.help) return { operands, options: {}, isHelp: true };
    const given = options.flatMap(([name, option]) => {
      const flag = flagOf(name, option), value: string | boolean | undefined = parsed[flag];
      if (value === undefined || value === false) return [];
      if (value === "") throw new UsageError(`Option --${flag} needs a value`);
      if (value === true) return [[name, option.default !== true]];
      return [[name, checkedValue(name, option, fromText(option, value))]];
    });
    // What is not in the table is refused, and what is is checked.
    return { operands, options: Object.fromEntries(given) as Values<T>, isHelp: false };
  });
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
