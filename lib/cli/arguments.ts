/** Command-line arguments: parsed by a table of options, checked, and wrong ones named. */

import { parseArgs } from "node:util";
import {
  checkValue,
  flagName,
  meant,
  type Option,
  readOptions,
  shortened,
  type Table,
  type Values,
} from "../options.ts";
import { MisplacedOption, UsageError } from "./usage_error.ts";

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

/** Options with a letter of their own. */
export const SHORT_FLAGS: ReadonlyMap<string, string> = new Map(Object.entries({
  help: "h",
  topK: "k",
  model: "m",
  out: "o",
  outDir: "o",
  quiet: "q",
  verbose: "v",
}));

/** What people call options that have another name here. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  topK: ["topk", "top"],
  scoreThreshold: ["threshold"],
  backend: ["device"],
  out: ["output"],
  outDir: ["out", "output"],
};

/** An option's flag, without the dashes: `--no-flip` for `flip`, which is on by default. */
export function flagOf(name: string, { kind, default: value }: Option): string {
  return (kind === "boolean" && value === true ? "no-" : "") + flagName(name);
}

/** Whether a flag may be on and off, by `--flip` and `--no-flip`: its default is on, or depends on others. */
export function isSwitch({ kind, default: value, unset }: Option): boolean {
  return kind === "boolean" && (value === true || unset !== undefined);
}

/** All long ways to write an option, its flag first, and what else people call it. */
function flagsOf(name: string, option: Option, table: Table): string[] {
  const others = (ALIASES[name] ?? []).filter((other) => !Object.hasOwn(table, other));
  const switched = isSwitch(option) ? [flagName(name), `no-${flagName(name)}`] : [];
  return [...new Set([flagOf(name, option), ...switched, ...others])];
}

/**
 * Parses `--flag`, `--option value`, `--option=value`, `-k value`, `-k5` and operands; `--` ends the options. A
 * value that begins with a dash must follow `=`, so that no option is taken for the value of the one before. Whoever
 * asks for help need not have the rest right.
 *
 * @throws {UsageError} If an option is unknown (the message names the nearest), lacks its value, or has
 * a wrong one.
 */
export function parseArguments<T extends Table>(args: readonly string[], table: T): Arguments<T> {
  const all: Table = { ...table, ...HELP_OPTION };
  const options = new Map<string, Known>(), types: Record<string, Type> = {};
  for (const [name, option] of Object.entries(all)) {
    const type = option.kind === "boolean" ? "boolean" : "string", short = SHORT_FLAGS.get(name);
    for (const [n, flag] of flagsOf(name, option, all).entries()) {
      options.set(`--${flag}`, { name, option });
      types[flag] = n === 0 && short !== undefined ? { type, short } : { type };
    }
    if (short !== undefined) options.set(`-${short}`, { name, option });
  }
  // Its own errors name no nearest option.
  const { tokens } = parseArgs({ args: [...args], options: types, strict: false, tokens: true });
  const operands = tokens.flatMap((token) => token.kind === "positional" ? [token.value] : []);
  const given = tokens.filter((token) => token.kind === "option");
  if (given.some(({ rawName }) => options.get(rawName)?.name === "help")) {
    return { operands, options: {}, isHelp: true };
  }
  const called = (name: string, option: Option): string => `--${flagOf(name, option)}`;
  const texts = new Map<string, string | string[]>();
  for (const token of given) {
    const known = options.get(token.rawName);
    if (known === undefined) throw unknownOption(token.rawName, [...options.keys()]);
    const { name, option } = known, value = valueText(option, token), flag = called(name, option);
    const isOneOfSome = option.kind === "texts" && option.isAlone === true;
    texts.set(flag, isOneOfSome ? [texts.get(flag) ?? [], value].flat() : value);
  }
  const values = asUsage(() => readOptions(all, [...texts], "option", called));
  return { operands, options: values as Values<T>, isHelp: false }; // Without help there is only the table's.
}

/** An option, and what it is called in its table. */
interface Known {
  readonly name: string;
  readonly option: Option;
}

/** What a flag is to `parseArgs()`. */
interface Type {
  readonly type: "boolean" | "string";
  readonly short?: string;
}

/** Options of Deno's, which it takes before the program alone. */
export const OF_DENO =
  /^(--(allow|deny)-(read|write|net|env|run|sys|ffi|import|all)|-A|--no-prompt)(=|$)/;

/** @throws {UsageError} Always: with the nearest option, or where the option belongs. */
function unknownOption(written: string, known: readonly string[]): UsageError {
  const long = known.filter((name) => name.startsWith("--"));
  if (OF_DENO.test(written)) {
    return new MisplacedOption(`${written} is an option of Deno's: it goes before the program`);
  }
  return new UsageError(`There is no option ${shortened(written)}: ${meant(written, long)}`);
}

/** An option as it was found: `--name`, and what follows it or its `=`. */
interface Found {
  readonly rawName: string;
  readonly value?: string;
  readonly inlineValue?: boolean;
}

/** A flag stands for true, or for false where it is written with `no-`; others have a value. */
function valueText(option: Option, { rawName, value, inlineValue }: Found): string {
  if (option.kind === "boolean") {
    const isOn = !rawName.startsWith("--no-");
    if (value === undefined || isOn) return value ?? String(isOn);
    throw new UsageError(`Option ${rawName} takes no value: found "${value}"`);
  }
  const text = inlineValue && /^-[a-z]$/i.test(rawName) ? value?.replace(/^=/, "") : value;
  if (!text) throw new UsageError(`Option ${rawName} needs a value`);
  // A dash alone stands for standard input.
  if (!inlineValue && text.startsWith("-") && text !== "-") {
    throw new UsageError(
      `Option ${rawName} needs a value: the next word begins with a dash. If that is the value, ` +
        `write ${rawName}=VALUE`,
    );
  }
  return text;
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
