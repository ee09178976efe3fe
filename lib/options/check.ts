/** Options checked, read from text, picked. */

import { meant, shortened } from "./closest.ts";
import {
  type Bounds,
  type Complete,
  expectation,
  type Names,
  type Option,
  type Table,
  type Values,
} from "./option.ts";

/**
 * Checks what a program gives: that every name is an option's, and every value one of its own.
 *
 * @throws {RangeError} If a name is unknown (the message has the nearest, or all), or a value is wrong.
 * @throws {TypeError} If it is no object of options, such as a signal.
 */
export function checkOptions<Options extends object>(
  table: { readonly [Name in keyof Required<NoInfer<Options>>]: Option },
  options: Options,
): void {
  if (!isRecord(options) || options instanceof AbortSignal) {
    throw new TypeError(`Expected an object of options: found ${shown(options)}`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(table, name)) throw unknownName(name, Object.keys(table), "option");
    checkValue(name, table[name as keyof Options], value);
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
      const given = options[name];
      if (given === undefined) return [name, option.default];
      checkValue(name, option, given);
      return [name, given];
    }),
  ) as Complete<T>; // Every name, and every value as its option wants it.
}

/** The values of a table's options, without what else there is. */
export function pickOptions<T extends Table, Options extends object>(
  table: T,
  options: Options,
): Pick<Options, keyof T & keyof Options> {
  const names = Object.keys(table).filter((name) => Object.hasOwn(options, name));
  const picked = names.map((name) => [name, options[name as keyof Options]]);
  return Object.fromEntries(picked) as Pick<Options, keyof T & keyof Options>;
}

/**
 * Reads options from texts.
 *
 * @param texts A text, or several where an option may be given again: only a list of texts may.
 * @param what What the texts stand for: `option`, `parameter`.
 * @param calledBy An option's name where the texts come from, such as `--top-k`.
 * @throws {RangeError} If a name is unknown, or a value is wrong.
 */
export function readOptions<T extends Table>(
  table: T,
  texts: readonly (readonly [called: string, text: string | readonly string[]])[],
  what: string,
  calledBy: (name: string, option: Option) => string = (name) => name,
): Values<T> {
  const entries = new Map(Object.entries(table).map((entry) => [calledBy(...entry), entry]));
  return Object.fromEntries(texts.map(([called, given]) => {
    const [name, option] = entries.get(called) ?? [];
    if (option === undefined) throw unknownName(called, [...entries.keys()], what);
    const all = [given].flat(), [text] = all;
    if (option.kind !== "texts" && all.length !== 1) {
      throw new RangeError(`${called} must be given once: found it ${all.length} times`);
    }
    const value = text === undefined || typeof given !== "string" && option.kind === "texts"
      ? all
      : fromText(option, text);
    checkValue(called, option, value);
    return [name, value];
  })) as Values<T>; // Every name is the table's, and every value as its option wants it.
}

/**
 * Checks one value.
 *
 * @param called The option's name as whoever gave the value writes it: `threads`, `--threads`.
 * @throws {RangeError} If it is wrong.
 */
export function checkValue(called: string, option: Option, value: unknown): void {
  if (isValid(option, value)) return checkNames(called, namesOf(option, value), value);
  const found = option.isSecret ? hidden(value) : shown(value);
  throw new RangeError(`${called} must be ${expectation(option)}: found ${found}`);
}

/** The names that a value may have, where a table says them. */
function namesOf(option: Option, value: unknown): Names | undefined {
  if (option.also?.is(value)) return option.also.names;
  return option.kind === "program" ? option.names : undefined;
}

function checkNames(called: string, names: Names | undefined, value: unknown): void {
  if (names === undefined || !isRecord(value)) return;
  const all = Object.keys(names).map((name) => `${called}.${name}`);
  for (const [name, part] of Object.entries(value)) {
    if (part === undefined) continue;
    const path = `${called}.${name}`, inner = names[name];
    if (!Object.hasOwn(names, name)) throw unknownName(path, all, "option");
    if (inner !== true) checkNames(path, inner, part);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unknownName(called: string, known: readonly string[], what: string): RangeError {
  return new RangeError(
    `There is no ${what} ${shortened(called)}: ${meant(called, known)}`,
  );
}

const WORDS = new Map([["true", true], ["1", true], ["false", false], ["0", false]]);

/** A value from a text; what cannot be read stays text, which no check lets pass. */
function fromText(option: Option, text: string): unknown {
  switch (option.kind) {
    case "integer":
    case "number": {
      const value = toNumber(text);
      return Number.isNaN(value) ? text : value;
    }
    case "choice":
      return option.choices.find((choice) => String(choice) === text) ?? text;
    case "boolean":
      return WORDS.get(text) ?? text;
    case "choices":
      return text.split(",").map((part) => part.trim());
    case "texts": {
      if (option.isAlone) return [text];
      const parts = text.split(",").map((part) => part.trim());
      // Where some are needed, an empty one is a mistake: of a secret that was never set.
      return option.isNeeded ? parts : parts.filter((part) => part !== "");
    }
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
    case "number":
      return Number.isFinite(value) && isWithin(Number(value), option);
    case "choice":
      return option.choices.some((choice) => choice === value);
    case "choices":
      return Array.isArray(value) && value.length > 0 &&
        value.every((item) => option.choices.includes(item));
    case "boolean":
      return typeof value === "boolean";
    case "text":
      return isText(value, option);
    case "texts":
      return Array.isArray(value) && (value.length > 0 || option.isNeeded !== true) &&
        value.every((item) => isText(item, option));
    case "integers":
      return Array.isArray(value) && (value.length > 0 || option.mayBeEmpty === true) &&
        value.length <= (option.items ?? Infinity) &&
        value.every((item) => isInteger(item, option));
    case "program":
      return option.is(value);
  }
}

function isText(value: unknown, { is }: { is?: (text: string) => boolean }): boolean {
  return typeof value === "string" && (is?.(value) ?? true);
}

function isInteger(value: unknown, bounds: Bounds): boolean {
  return Number.isInteger(value) && isWithin(Number(value), bounds);
}

function isWithin(value: number, bounds: Bounds): boolean {
  const { min = -Infinity, max = Infinity, above = -Infinity, below = Infinity } = bounds;
  return value >= min && value <= max && value > above && value < below;
}

/** What is wrong with a secret, as far as that may be told. */
function hidden(value: unknown): string {
  if (!Array.isArray(value)) return "something else";
  if (value.length === 0) return "none";
  const isBlank = (item: unknown): boolean => typeof item === "string" && item.trim() === "";
  return value.some(isBlank) ? "an empty one" : "something else";
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(shortened(value));
  if (Array.isArray(value)) {
    // An object among them may have no text.
    const items = value.map((item) => typeof item === "object" ? shown({}) : String(item));
    return shortened(`[${items}]`);
  }
  if (typeof value === "object" && value !== null) return Object.prototype.toString.call(value);
  return String(value);
}
