/** The service's settings: from a program and from the environment's variables. */

import type { ClassifierOptions, ImageClassifier } from "../../classifier.ts";
import type { ImageFormat } from "../../image/image.ts";
import type { FetchImageOptions } from "../../image/remote/guarded_fetch.ts";
import { completeOptions, ENV_PREFIX, envName, readOptions, type Table } from "../../options.ts";
import { SETTINGS } from "../../options/service.ts";
import {
  environmentVariable,
  environmentVariables,
  isGranted,
  removeVariable,
} from "../../platform.ts";

/** What can be configured, with units in the names. */
export interface Settings extends
  Pick<
    ClassifierOptions,
    "model" | "backend" | "precision" | "threads" | "cacheDir" | "baseUrl" | "offline"
  > {
  /** Most bytes of a body. They are counted; Content-Length is believed only if it is too large. */
  readonly maxBodyBytes: number;
  /** Most bytes of all bodies that are arriving. Above it the slowest are given up. Default: 128 MiB. */
  readonly maxArrivingBytes: number;
  /** Most bytes of a request's headers. */
  readonly maxHeaderBytes: number;
  /** Most pixels of an image. Default: 25 million, half of what a program's own calls take. */
  readonly maxPixels: number;
  /** Formats of images that are taken. */
  readonly formats: readonly ImageFormat[];
  /** Most images in one request. */
  readonly maxImages: number;
  /**
   * Most pixels of the views of a request's images together, as often as they go through the network. An
   * image at the size that the network was trained with is always taken. Default: 2^19.
   */
  readonly maxViewPixels: number;
  /** Most pixels of large images that are decoded at a time; a larger one goes alone. Default: 25 million. */
  readonly maxDecodePixels: number;
  /** Most images that are being decoded or classified, or wait for it. */
  readonly maxQueue: number;
  /** Most images that go through the network together. */
  readonly maxBatch: number;
  /** How long an image waits for others that are received or decoded. A lone one never waits. */
  readonly maxQueueDelayMs: number;
  /** How long a body may take to arrive. */
  readonly bodyTimeoutMs: number;
  /** How long a request may take once its body is there. */
  readonly timeoutMs: number;
  /** Whether `{"url": …}` is fetched. */
  readonly urlInput: boolean;
  /** Most bytes that the URLs of a request bring, together. */
  readonly maxUrlBytes: number;
  /** Ports that URLs may have. */
  readonly urlPorts: readonly number[];
  /** Bearer keys, at least one, any of which gives access. Undefined: everyone has access. */
  readonly keys?: readonly string[] | undefined;
  /**
   * Names by which the service is called, such as `app.example` or `app.example:8443`. Empty: any, but for
   * a service without keys that listens on loopback, which is called by loopback's names and addresses.
   */
  readonly hosts: readonly string[];
  /** The path below which all of the service's are, such as `/api/vision`. */
  readonly basePath: string;
  /** Origins that browsers may call from; `*` is any. Empty: none but the service's own page. */
  readonly corsOrigins: readonly string[];
  /** Results kept in memory. 0: none. */
  readonly cacheEntries: number;
  /** Most bytes of the results that are kept. */
  readonly cacheBytes: number;
  /** Least level that is logged. */
  readonly logLevel: LogLevel;
  /** `json` is one object a line; `text` is for people. */
  readonly logFormat: "json" | "text";
  /** How long `/readyz` says 503 before connections are refused, for a load balancer to see it. */
  readonly drainDelayMs: number;
  /** How long requests may take to end once the service drains. */
  readonly drainTimeoutMs: number;
}

/** What a program can replace when URLs are fetched: the resolver of names, and the rule for addresses. */
export type RemoteRules = Pick<FetchImageOptions, "resolve" | "isAllowed">;

/**
 * Options of `createService()` and `createHandler()`: settings, all of which have defaults, and what a
 * program can give that an environment cannot.
 */
export interface ServiceOptions
  extends Partial<{ readonly [Name in keyof Settings]: Settings[Name] | undefined }> {
  /**
   * The classifier to use, instead of one by `model`, `backend`, `precision` and `threads`.
   *
   * One that is given is borrowed: it stays the caller's, who closes it. A function that gives one is
   * called when it is first needed, and again if its classifier is lost; the service closes what it gave.
   */
  readonly classifier?:
    | ImageClassifier
    | Promise<ImageClassifier>
    | (() => ImageClassifier | Promise<ImageClassifier>)
    | undefined;
  /** Gets each line of the log. Default: standard output. */
  readonly writeLog?: ((line: string) => void) | undefined;
  /** Replaces the resolver of names and the rule for addresses when URLs are fetched. */
  readonly remote?: RemoteRules | undefined;
}

/** Level of a log line; `off` is above all. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "off";
/** Levels of the log, the least important first. */
export const LOG_LEVELS: readonly LogLevel[] = SETTINGS.logLevel.choices;

/**
 * Checks settings given by a program and fills in the rest.
 *
 * @throws {RangeError} If a value is out of range or of the wrong type.
 */
export function completeSettings(given: Partial<Settings> = {}): Settings {
  const settings = completeOptions(SETTINGS, given);
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
  const variables = Object.entries(env).filter(([name]) => name.startsWith(ENV_PREFIX));
  return readOptions(SETTINGS, variables, "environment variable", envName);
}

/**
 * Reads the settings from the environment, as far as it may be read. Never asks for a permission.
 *
 * Names with a typo are found only with `--allow-env`, which lists all variables: with
 * `--allow-env=VGG16_*` they cannot be listed.
 *
 * @throws {RangeError} If a variable's name or value is wrong.
 */
export function readSettings(): Partial<Settings> {
  return settingsFromEnv(readVariables());
}

/** Whether names with a typo can be found. */
export function canListVariables(): boolean {
  return isGranted({ name: "env" });
}

function readVariables(): Record<string, string> {
  if (canListVariables()) return environmentVariables();
  const found: Record<string, string> = {};
  for (const name of Object.keys(SETTINGS).map(envName)) {
    if (!isGranted({ name: "env", variable: name })) continue;
    const text = environmentVariable(name);
    if (text !== undefined) found[name] = text;
  }
  return found;
}

/**
 * Takes secrets out of the environment once they are read: whatever is started or loaded later does not
 * find them there. Not for `deno serve`, each of whose workers reads the one environment.
 */
export function forgetSecrets(): void {
  const table: Table = SETTINGS;
  const secrets = Object.keys(table).filter((name) => table[name]!.isSecret);
  for (const variable of secrets.map(envName)) {
    if (isGranted({ name: "env", variable })) removeVariable(variable);
  }
}
