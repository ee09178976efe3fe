/** Command-line arguments: parsed by a table of options, checked, and wrong ones named. */

import { parseArgs } from "node:util";
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
  /** The options that were given; of one given twice, the last, or all where it may be given again. */
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
 * Parses `--flag`, `--option value`, `--option=value` and operands; `--` ends the options. A value that
 * begins with a dash must follow `=`, so that no option is taken for the value of the one before. Whoever
 * asks for help need not have the rest right.
 *
 * @throws {UsageError} If an option is unknown (the message names the nearest), lacks its value, or has
 * a wrong one.
 */
export function parseArguments<T extends Table>(args: readonly string[], table: T): Arguments<T> {
  const all: Table = { ...table, ...HELP_OPTION };
  const called = (name: string, option: Option): string => `--${flagOf(name, option)}`;
  const options = new Map(Object.entries(all).map((entry) => [called(...entry), entry[1]]));
  const types = [...options].map(([flag, { kind }]) => {
    return [flag.slice(2), { type: kind === "boolean" ? "boolean" : "string" }] as const;
  });
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(types),
    strict: false, // Its errors name no nearest option.
    tokens: true,
  });
  const operands = tokens.flatMap((token) => token.kind === "positional" ? [token.value] : []);
  const given = tokens.filter((token) => token.kind === "option");
  if (given.some(({ rawName }) => rawName === "--help")) {
    return { operands, options: {}, isHelp: true };
  }
  const texts = new Map<string, string | string[]>();
  for (const token of given) {
    const { rawName } = token, option = options.get(rawName);
    const value = option === undefined ? "" : valueText(option, token);
    const isOneOfSome = option?.kind === "texts" && option.isAlone === true;
    texts.set(rawName, isOneOfSome ? [texts.get(rawName) ?? [], value].flat() : value);
  }
  const values = asUsage(() => readOptions(all, [...texts], "option", called));
  return { operands, options: values as Values<T>, isHelp: false }; // Without help there is only the table's.
}

/** An option as it was found: `--name`, and what follows it or its `=`. */
interface Found {
  readonly rawName: string;
  readonly value?: string;
  readonly inlineValue?: boolean;
}

/** A flag stands for true, or for false where its name begins with `no-`; others have a value. */
function valueText(option: Option, { rawName, value, inlineValue }: Found): string {
  if (option.kind === "boolean") {
    const isOn = option.default !== true;
    if (value === undefined || isOn) return value ?? String(isOn);
    throw new UsageError(`Option ${rawName} takes no value: found "${value}"`);
  }
  if (value === undefined || value === "") throw new UsageError(`Option ${rawName} needs a value`);
  if (!inlineValue && value.startsWith("-")) {
    throw new UsageError(
      `Option ${rawName} needs a value: the next word begins with a dash. If that is the value, ` +
        `write ${rawName}=VALUE`,
    );
  }
  return value;
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
