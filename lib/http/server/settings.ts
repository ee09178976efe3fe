/**
 * The service's settings: one table from which the environment's variables, the flags, the checks
 * and the documentation come.
 *
 * @module
 */

import { closestString } from "@std/text/closest-string";
import type { ClassifierOptions } from "../../classifier.ts";

/** What can be configured, with units in the names. */
export interface Settings extends
  Pick<
    ClassifierOptions,
    "model" | "backend" | "precision" | "threads" | "cacheDir" | "offline"
  > {
  /**
   * Most bytes of a body. They are counted; Content-Length is only believed when it is too large.
   */
  readonly maxBodyBytes: number;
  /** Most bytes of a request's headers. */
  readonly maxHeaderBytes: number;
  /** Most pixels of an image. */
  readonly maxPixels: number;
  /** Most images in one request. */
  readonly maxImages: number;
  /** Most images that are being received, decoded or classified, or wait for it. */
  readonly maxQueue: number;
  /** Most images that go through the network together. */
  readonly maxBatch: number;
  /**
   * How long an image waits for others that are being received or decoded. A lone one never waits.
   */
  readonly maxQueueDelayMs: number;
  /** How long a body may take to arrive. */
  readonly bodyTimeoutMs: number;
  /** How long a request may take once its body is there. */
  readonly timeoutMs: number;
  /** Whether `{"url": …}` is fetched. */
  readonly urlInput: boolean;
  /** Bearer keys, any of which gives access. Empty: everyone has access. */
  readonly keys: readonly string[];
  /** Origins that browsers may call from; `*` is any. Empty: none but the service's own page. */
  readonly corsOrigins: readonly string[];
  /** Results kept in memory. 0: none. */
  readonly cacheEntries: number;
  /** Least level that is logged. */
  readonly logLevel: LogLevel;
  /** `json` is one object a line; `text` is for people. */
  readonly logFormat: "json" | "text";
  /**
   * How long `/readyz` says 503 before connections are refused, so that a load balancer sees it.
   */
  readonly drainDelayMs: number;
  /** How long requests may take to end once the service drains. */
  readonly drainTimeoutMs: number;
}

/** Level of a log line; `off` is above all. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "off";
/** Levels of the log, the least important first. */
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "off"];

/** How a setting's text is read. */
type Kind =
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  | { readonly kind: "choice"; readonly choices: readonly string[] }
  | { readonly kind: "boolean" | "text" | "list" | "threads" };

/** One row of the table. */
export type Setting = Kind & {
  readonly fallback?: number | string | boolean | readonly string[];
  readonly about: string;
};

const MINUTE = 60_000;
const integer = (fallback: number, min: number, max: number, about: string): Setting => ({
  kind: "integer",
  fallback,
  min,
  max,
  about,
});

/** Every setting, in the order of the documentation. */
export const SETTINGS: Readonly<Record<keyof Settings, Setting>> = {
  model: { kind: "text", about: "Catalog id, path or URL of the model; the embedded one if unset" },
  backend: {
    kind: "choice",
    choices: ["auto", "webgpu", "wasm"],
    fallback: "auto",
    about: "`auto`, `webgpu` or `wasm`",
  },
  precision: {
    kind: "choice",
    choices: ["int8", "float"],
    fallback: "int8",
    about: "`int8` or `float`",
  },
  threads: { kind: "threads", fallback: "auto", about: "Threads of the wasm backend, or `auto`" },
  cacheDir: { kind: "text", about: "Where downloaded models are kept" },
  offline: { kind: "boolean", fallback: false, about: "Never download a model" },
  maxBodyBytes: integer(10 * 2 ** 20, 1, 2 ** 31, "Bytes of a body"),
  maxHeaderBytes: integer(16_384, 256, 2 ** 20, "Bytes of a request's headers"),
  maxPixels: integer(25_000_000, 1, 2 ** 30, "Pixels of an image"),
  maxImages: integer(16, 1, 1024, "Images in one request"),
  maxQueue: integer(64, 1, 65_536, "Images received, decoded, waiting or classified at a time"),
  maxBatch: integer(16, 1, 64, "Images that go through the network together"),
  maxQueueDelayMs: integer(
    0,
    0,
    MINUTE,
    "Wait for images that are being received or decoded, to go together; a lone one never waits",
  ),
  bodyTimeoutMs: integer(15_000, 1, 60 * MINUTE, "Time in which a body must arrive"),
  timeoutMs: integer(30_000, 1, 60 * MINUTE, "Time in which a request must be answered after that"),
  urlInput: { kind: "boolean", fallback: false, about: 'Whether `{"url": …}` is fetched' },
  keys: { kind: "list", fallback: [], about: "Bearer keys, any of which gives access; none: open" },
  corsOrigins: {
    kind: "list",
    fallback: [],
    about: "Origins whose pages may call, or `*`; none: only its own page",
  },
  cacheEntries: integer(0, 0, 1_000_000, "Results kept in memory, by image hash"),
  logLevel: {
    kind: "choice",
    choices: LOG_LEVELS,
    fallback: "info",
    about: "`debug`, `info`, `warn`, `error` or `off`",
  },
  logFormat: {
    kind: "choice",
    choices: ["json", "text"],
    fallback: "json",
    about: "`json`: one object a line; `text`: for people, coloured unless `NO_COLOR` is set",
  },
  drainDelayMs: integer(0, 0, 10 * MINUTE, "`/readyz` says 503 for so long before the port closes"),
  drainTimeoutMs: integer(30_000, 0, 60 * MINUTE, "Time for requests to end when stopping"),
};

/** What every variable's name starts with. */
export const ENV_PREFIX = "VGG16_";
const NAMES = Object.keys(SETTINGS) as (keyof Settings)[];

/** `maxBodyBytes` -> `VGG16_MAX_BODY_BYTES`. */
export function envName(name: string): string {
  return ENV_PREFIX + name.replace(/[A-Z]/g, "_$&").toUpperCase();
}

/** `maxBodyBytes` -> `max-body-bytes`. */
export function flagName(name: string): string {
  return name.replace(/[A-Z]/g, "-$&").toLowerCase();
}

/**
 * Checks settings given by a program and fills in the rest.
 *
 * @throws {RangeError} If a value is out of range or of the wrong type.
 */
export function completeSettings(given: Partial<Settings> = {}): Settings {
  const settings = Object.fromEntries(NAMES.map((name) => {
    const value = given[name] ?? SETTINGS[name].fallback;
    if (value !== undefined && name !== "model") check(name, value, name);
    return [name, value];
  })) as unknown as Settings; // Every name of the interface is in the table, whose keys are checked.
  if (settings.maxImages > settings.maxQueue) {
    throw new RangeError(
      `maxImages is ${settings.maxImages}, which never fits into maxQueue, ${settings.maxQueue}`,
    );
  }
  return settings;
}

/**
 * Reads settings from an environment.
 *
 * @throws {RangeError} If a value cannot be read, or a variable with the prefix is not in the
 * table: the message names the nearest one.
 */
export function settingsFromEnv(env: Readonly<Record<string, string>>): Partial<Settings> {
  const byVariable = new Map(NAMES.map((name) => [envName(name), name]));
  return readTexts(
    Object.entries(env).filter(([variable]) => variable.startsWith(ENV_PREFIX)),
    byVariable,
    "environment variable",
  );
}

/** Reads settings from flags: {@linkcode settingsFromEnv} for `--max-body-bytes` and the like. */
export function settingsFromFlags(flags: Readonly<Record<string, string>>): Partial<Settings> {
  const byFlag = new Map(NAMES.map((name) => ["--" + flagName(name), name]));
  return readTexts(
    Object.entries(flags).map(([flag, text]) => ["--" + flag, text]),
    byFlag,
    "option",
  );
}

function readTexts(
  entries: readonly (readonly [string, string])[],
  names: ReadonlyMap<string, keyof Settings>,
  what: string,
): Partial<Settings> {
  return Object.fromEntries(entries.map(([key, text]) => {
    const name = names.get(key);
    if (name === undefined) {
      const nearest = closestString(key, [...names.keys()]);
      throw new RangeError(`There is no ${what} ${key}: did you mean ${nearest}?`);
    }
    const value = fromText(SETTINGS[name], text);
    if (name !== "model") check(name, value, key);
    return [name, value];
  }));
}

function fromText(setting: Setting, text: string): unknown {
  switch (setting.kind) {
    case "integer":
      return text.trim() === "" ? NaN : Number(text);
    case "threads":
      return text === "auto" ? text : Number(text);
    case "boolean":
      return { true: true, 1: true, false: false, 0: false }[text] ?? text;
    case "list":
      return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
    default:
      return text;
  }
}

function check(name: keyof Settings, value: unknown, called: string): void {
  const setting = SETTINGS[name];
  const expected = expectation(setting, value);
  if (expected === undefined) return;
  // A key must not end up in a log.
  const found = name === "keys" ? "something else" : JSON.stringify(value) ?? String(value);
  throw new RangeError(`${called} must be ${expected}: found ${found}`);
}

/** What a value should have been, if it is not. */
function expectation(setting: Setting, value: unknown): string | undefined {
  const isInteger = (min: number, max: number): boolean =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
  switch (setting.kind) {
    case "integer":
      if (isInteger(setting.min, setting.max)) return undefined;
      return `an integer from ${setting.min} to ${setting.max}`;
    case "threads":
      return value === "auto" || isInteger(1, 256)
        ? undefined
        : '"auto" or an integer of at least 1';
    case "choice":
      if (setting.choices.includes(String(value))) return undefined;
      return `one of ${setting.choices.join(", ")}`;
    case "boolean":
      return typeof value === "boolean" ? undefined : "true or false";
    case "list":
      return Array.isArray(value) && value.every((item) => typeof item === "string")
        ? undefined
        : "a list of texts";
    default:
      return typeof value === "string" ? undefined : "a text";
  }
}
