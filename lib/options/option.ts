/**
 * What an option is, whoever gives it: a program, a command line, an environment or a request. How
 * its value is checked, read from text, and described.
 *
 * @module
 */

import { closestString } from "@std/text/closest-string";

/** What every option has. */
interface Common {
  /** What it is for: one sentence, without the full stop. */
  readonly about: string;
  /** What a number counts, where its name does not say. */
  readonly unit?: string;
  /** What happens without it, in words, where no constant is the default. */
  readonly unset?: string;
  /** What help calls a value, such as `DIR`. */
  readonly placeholder?: string;
  /** What only a program can give instead, and what that is called. */
  readonly also?: { readonly is: (value: unknown) => boolean; readonly called: string };
  /** Where a bound comes from, in words. */
  readonly why?: string;
  /** Whether a wrong value must not be shown. */
  readonly isSecret?: boolean;
}

/** The kinds of values, with their bounds and their default. */
type Kind =
  /** `or` is a word that is allowed as well. */
  | { kind: "integer"; min: number; max?: number; or?: string; default?: number | string }
  /** `above` and `below` are bounds that a value must not reach. */
  | {
    kind: "number";
    min?: number;
    max?: number;
    above?: number;
    below?: number;
    default?: number;
  }
  | { kind: "choice"; choices: readonly (string | number)[]; default?: string | number }
  /** `off` describes the flag `--no-…` of an option that is on by default. */
  | { kind: "boolean"; default?: boolean; off?: string }
  | { kind: "text"; default?: string }
  | { kind: "texts"; default?: readonly string[] }
  /** `items` is how many there may be; none only if it `mayBeEmpty`. */
  | {
    kind: "integers";
    min: number;
    max?: number;
    items?: number;
    mayBeEmpty?: boolean;
    default?: readonly number[];
  }
  /** What only a program can give. */
  | { kind: "program"; is: (value: unknown) => boolean; called: string; default?: undefined };

/** One option. Its name is its key in a table. */
export type Option = Common & Readonly<Kind>;

/** The options of one kind of call. */
export type Table = Readonly<Record<string, Option>>;

/** The type of an option's values. */
export type ValueOf<O> =
  | (O extends { kind: "integer" | "number" } ? number
    : O extends { kind: "choice"; choices: readonly (infer Choice)[] } ? Choice
    : O extends { kind: "boolean" } ? boolean
    : O extends { kind: "text" } ? string
    : O extends { kind: "texts" } ? readonly string[]
    : O extends { kind: "integers" } ? readonly number[]
    : O extends { is: (value: unknown) => value is infer Given } ? Given
    : never)
  | (O extends { or: infer Word } ? Word : never)
  | (O extends { also: { is: (value: unknown) => value is infer Given } } ? Given : never);

/** Values of a table's options, as they are given. */
export type Values<T extends Table> = { readonly [Name in keyof T]?: ValueOf<T[Name]> };

/** Values of a table's options, with the defaults filled in. */
export type Complete<T extends Table> = {
  readonly [Name in keyof T]: T[Name] extends { default: unknown } ? ValueOf<T[Name]>
    : ValueOf<T[Name]> | undefined;
};

/**
 * Checks what a program gives: that every name is an option's, and every value one of its own.
 *
 * @throws {RangeError} If a name is unknown (the message has the nearest), or a value is wrong.
 */
export function checkOptions<Options extends object>(
  table: { readonly [Name in keyof Required<NoInfer<Options>>]: Option },
  options: Options,
): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) checkValue(name, findOption(table as Table, name, "option"), value);
  }
}

/**
 * Checks the values of a table's options and fills in defaults. What else `options` holds is left to
 * others.
 *
 * @throws {RangeError} If a value is wrong.
 */
export function completeOptions<T extends Table>(table: T, options: Values<T>): Complete<T> {
  return Object.fromEntries(
    Object.entries(table).map(([name, option]) => {
      const value = options[name] ?? option.default;
      if (value !== undefined) checkValue(name, option, value);
      return [name, value];
    }),
  ) as Complete<T>; // Every name, and every value as its option wants it.
}

/** The values of a table's options, without what else there is. */
export function pickOptions<T extends Table, Options extends object>(
  table: T,
  options: Options,
): Pick<Options, keyof T & keyof Options> {
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => Object.hasOwn(table, name)),
  ) as Pick<Options, keyof T & keyof Options>;
}

/**
 * Checks one value.
 *
 * @param called The option's name as whoever gave the value writes it: `threads`, `--threads`.
 * @throws {RangeError} If it is wrong.
 */
export function checkValue(called: string, option: Option, value: unknown): void {
  if (isValid(option, value)) return;
  const found = option.isSecret ? "something else" : shown(value);
  throw new RangeError(`${called} must be ${expectation(option)}: found ${found}`);
}

/**
 * Finds an option by what it is called.
 *
 * @param what What the caller names: `option`, `parameter`.
 * @throws {RangeError} If there is none: the message has the nearest.
 */
export function findOption(table: Table, called: string, what: string): Option {
  if (Object.hasOwn(table, called)) return table[called];
  const nearest = closestString(called, Object.keys(table));
  throw new RangeError(`There is no ${what} ${called}: did you mean ${nearest}?`);
}

/** A value from a text; what cannot be read stays text, which no check lets pass. */
export function fromText(option: Option, text: string): unknown {
  switch (option.kind) {
    case "integer":
    case "number": {
      const value = toNumber(text);
      return Number.isNaN(value) ? text : value;
    }
    case "choice":
      return option.choices.find((choice) => String(choice) === text) ?? text;
    case "boolean":
      return { true: true, 1: true, false: false, 0: false }[text] ?? text;
    case "texts":
      return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
    case "integers": {
      const values = text.split(",").map(toNumber);
      return values.some(Number.isNaN) ? text : values;
    }
    default:
      return text;
  }
}

/** `Number()` takes blanks for 0. */
function toNumber(text: string): number {
  return text.trim() === "" ? NaN : Number(text);
}

function isValid(option: Option, value: unknown): boolean {
  if (option.also?.is(value)) return true;
  switch (option.kind) {
    case "integer":
      return value === option.or && value !== undefined || isInteger(value, option);
    case "number": {
      const { min = -Infinity, max = Infinity, above = -Infinity, below = Infinity } = option;
      return typeof value === "number" && Number.isFinite(value) &&
        value >= min && value <= max && value > above && value < below;
    }
    case "choice":
      return option.choices.some((choice) => choice === value);
    case "boolean":
      return typeof value === "boolean";
    case "text":
      return typeof value === "string";
    case "texts":
      return Array.isArray(value) && value.every((item) => typeof item === "string");
    case "integers":
      return Array.isArray(value) && (value.length > 0 || option.mayBeEmpty === true) &&
        value.length <= (option.items ?? Infinity) &&
        value.every((item) => isInteger(item, option));
    case "program":
      return option.is(value);
  }
}

function isInteger(
  value: unknown,
  { min, max = Infinity }: { min: number; max?: number },
): boolean {
  return Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
}

/** What a value has to be, in words that follow "must be". */
function expectation(option: Option): string {
  const { why, also } = option;
  return ofKind(option) + (why === undefined ? "" : ` (${why})`) +
    (also === undefined ? "" : `, or ${also.called}`);
}

function ofKind(option: Option): string {
  switch (option.kind) {
    case "integer":
      return `an integer ${bounds(option)}${option.or === undefined ? "" : `, or "${option.or}"`}`;
    case "number":
      return `a number ${bounds(option)}`;
    case "choice":
      return `one of ${option.choices.map((choice) => JSON.stringify(choice)).join(", ")}`;
    case "boolean":
      return "true or false";
    case "text":
      return "a text";
    case "texts":
      return "a list of texts";
    case "integers":
      return `${option.items === undefined ? "" : `at most ${option.items} `}integers ${
        bounds(option)
      }`;
    case "program":
      return option.called;
  }
}

function bounds(
  { min, max, above, below }: { min?: number; max?: number; above?: number; below?: number },
): string {
  if (min !== undefined && max !== undefined) return `from ${min} to ${max}`;
  const lower = above === undefined ? `of at least ${min}` : `above ${above}`;
  const upper = below === undefined
    ? max === undefined ? "" : ` and at most ${max}`
    : ` and below ${below}`;
  return lower + upper;
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value}]`;
  if (typeof value === "object" && value !== null) return Object.prototype.toString.call(value);
  return String(value);
}

/** Which values there are, in words: `auto, webgpu or wasm`, `1 to 64 or auto`; empty if any. */
export function valuesText(option: Option): string {
  switch (option.kind) {
    case "choice": {
      const { choices } = option, last = String(choices.at(-1));
      return choices.length > 1 ? `${choices.slice(0, -1).join(", ")} or ${last}` : last;
    }
    case "integer":
    case "number":
    case "integers": {
      const isBounded = option.max !== undefined ||
        option.kind === "number" && option.below !== undefined;
      if (!isBounded) return "";
      const unit = option.unit === undefined ? "" : ` ${option.unit}`;
      const or = option.kind === "integer" && option.or !== undefined ? ` or ${option.or}` : "";
      return bounds(option).replace(/^from /, "") + unit + or;
    }
    default:
      return "";
  }
}

/** What stands for an option that is not given, in words; empty if nothing does. */
export function defaultText({ default: value, unset, kind }: Option): string {
  if (unset !== undefined) return unset;
  if (value === undefined || kind === "boolean") return "";
  return String(value);
}

/** `maxBodyBytes` -> `max-body-bytes`. */
export function flagName(name: string): string {
  return name.replace(/[A-Z]/g, "-$&").toLowerCase();
}

/** `maxBodyBytes` -> `VGG16_MAX_BODY_BYTES`. */
export function envName(name: string): string {
  return ENV_PREFIX + name.replace(/[A-Z]/g, "_$&").toUpperCase();
}

/** What the name of every variable of the service starts with. */
export const ENV_PREFIX = "VGG16_";
