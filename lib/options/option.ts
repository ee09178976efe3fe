/** What an option is, whoever gives it: a program, a command line, an environment or a request. */

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
  readonly also?: {
    readonly is: (value: unknown) => boolean;
    readonly called: string;
    readonly names?: Names;
  };
  /** Where a bound comes from, in words. */
  readonly why?: string;
  /** Whether a wrong value must not be shown. */
  readonly isSecret?: boolean;
}

/** Bounds of numbers. A value must not reach `above` and `below`. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
}

/** The names that an object may have, and those of the objects in it. */
export interface Names {
  readonly [name: string]: true | Names;
}

/** The kinds of values, with what each has of its own. */
type Kind =
  /** `or` is a word that is allowed as well. */
  | { kind: "integer"; min: number; max?: number; or?: string; default?: number | string }
  | { kind: "number"; default?: number } & Bounds
  /** `items` is how many there may be; none only if it `mayBeEmpty`. */
  | { kind: "integers"; min: number; max?: number; items?: number; mayBeEmpty?: boolean }
    & { default?: readonly number[] }
  | { kind: "choice"; choices: readonly (string | number)[]; default?: string | number }
  /** A list of at least one of them. */
  | { kind: "choices"; choices: readonly string[]; default?: readonly string[] }
  | { kind: "boolean"; default?: boolean }
  /** `is` tells the texts that are allowed, and `called` says what those are. */
  | { kind: "text"; is?: (text: string) => boolean; called?: string; default?: string }
  /**
   * At least one `isNeeded`, if the option is given at all. Where each is `isAlone`, an option is given once for
   * each, whatever commas they have.
   */
  | { kind: "texts"; isNeeded?: boolean; isAlone?: boolean; default?: readonly string[] }
    & { is?: (text: string) => boolean; called?: string }
  /** What only a program can give; `names` are those that its object may have. */
  | {
    kind: "program";
    is: (value: unknown) => boolean;
    called: string;
    names?: Names;
    default?: undefined;
  };

/** One option. Its name is its key in a table. */
export type Option = Common & Readonly<Kind>;

/** The options of one kind of call. */
export type Table = Readonly<Record<string, Option>>;

type Rest<K extends Option["kind"]> = Omit<Extract<Option, { kind: K }>, "kind" | "about">;

/** Makes options of a kind, from what they have of their own and what they are for. */
const of =
  <K extends Option["kind"]>(kind: K) =>
  <const R extends Rest<K>>(rest: R, about: string): { kind: K; about: string } & R => ({
    kind,
    about,
    ...rest,
  });

export const integer = of("integer"), number = of("number"), integers = of("integers");
export const choice = of("choice"),
  choices = of("choices"),
  flag = of("boolean"),
  text = of("text"),
  texts = of("texts");
/** What only a program can give. */
export const given = of("program");

/** The type of an option's values. */
export type ValueOf<O> =
  | (O extends { kind: "integer" | "number" } ? number
    : O extends { kind: "choice"; choices: readonly (infer Choice)[] } ? Choice
    : O extends { kind: "choices"; choices: readonly (infer Choice)[] } ? readonly Choice[]
    : O extends { kind: "boolean" } ? boolean
    : O extends { kind: "text"; is: (text: string) => text is infer Text extends string } ? Text
    : O extends { kind: "texts"; is: (text: string) => text is infer Text extends string }
      ? readonly Text[]
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

/** What a value has to be, in words that follow "must be". */
export function expectation(option: Option): string {
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
    case "choices":
      return `one or more of ${option.choices.map((choice) => JSON.stringify(choice)).join(", ")}`;
    case "boolean":
      return "true or false";
    case "text":
      return option.called ?? "a text";
    case "texts":
      return `a list of ${option.isNeeded ? "one or more " : ""}${option.called ?? "texts"}`;
    case "integers": {
      const count = option.items === undefined ? "" : `at most ${option.items} `;
      return `${count}integers ${bounds(option)}`;
    }
    case "program":
      return option.called;
  }
}

function bounds({ min, max, above, below }: Bounds): string {
  if (min !== undefined && max !== undefined) return `from ${min} to ${max}`;
  const ends = { "of at least": min, above, "at most": max, below };
  return Object.entries(ends).filter(([, end]) => end !== undefined)
    .map(([words, end]) => `${words} ${end}`).join(" and ");
}

/** Which values there are, in words: `auto, webgpu or wasm`, `1 to 64 or auto`; empty if any. */
export function valuesText(option: Option): string {
  const { kind, unit } = option;
  if (kind === "choice") return option.choices.join(", ").replace(/, ([^,]*)$/, " or $1");
  const isNumber = kind === "integer" || kind === "number" || kind === "integers";
  if (!isNumber || option.max === undefined && !("below" in option)) return "";
  const range = bounds(option).replace(/^from /, "") + (unit === undefined ? "" : ` ${unit}`);
  return kind === "integer" && option.or !== undefined ? `${range} or ${option.or}` : range;
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
