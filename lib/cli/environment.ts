/**
 * The variables of the environment that stand for options, in every command that has these. They are read as
 * far as the program may, and never asked for. The service has the same ones, and more.
 */

import { BASE_URL, CACHE_DIR, readPermitted, readVariable } from "../environment.ts";
import {
  CLASSIFIER_OPTIONS,
  ENV_PREFIX,
  envName,
  nearName,
  readOptions,
  type Table,
  type Values,
} from "../options.ts";
import { environmentVariables, isGranted } from "../platform.ts";
import { isWebUrl } from "../urls.ts";
import { programName } from "./program_name.ts";
import { tellWarning } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const { model, backend, precision, threads, offline, baseUrl } = CLASSIFIER_OPTIONS;

/** What they stand for. The folder for models is not among them, as all that uses it reads its variable. */
const TABLE = {
  ...{ model, backend, precision, threads, offline },
  baseUrl: { ...baseUrl, is: isWebUrl, called: "an http or https URL" },
} satisfies Table;

/** All that this command line reads, in the order of the documentation. */
export const VARIABLES: readonly string[] = [...Object.keys(TABLE).map(envName), CACHE_DIR];

/** Options that a variable stands for in this run. */
let filled: Readonly<Record<string, unknown>> = {};

/** Whether an option was not given, but its variable: then it must not get in the way of others. */
export function isFromEnvironment(name: string): boolean {
  return Object.hasOwn(filled, name);
}

/**
 * Fills in the options that were not given and have a variable. One that is empty is as if it were not set.
 * Variables that nothing reads are told.
 *
 * @throws {UsageError} If a variable has a wrong value.
 */
export async function withEnvironment<T extends Table>(
  table: T,
  options: Values<T>,
): Promise<Values<T>> {
  await tellUnread();
  const texts = Object.keys(TABLE).flatMap((name) => {
    const isWanted = Object.hasOwn(table, name) && options[name] === undefined;
    const text = isWanted && readPermitted(envName(name));
    return text ? [[envName(name), text] as const] : [];
  });
  try {
    filled = readOptions(TABLE, texts, "environment variable", envName);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
  return { ...options, ...filled };
}

/** Whoever may not list all variables is not told of names with a typo. */
async function tellUnread(): Promise<void> {
  if (!isGranted({ name: "env" })) return;
  // Each says so if it has its old name.
  for (const name of [CACHE_DIR, BASE_URL] as const) readVariable(name);
  const own = Object.keys(environmentVariables()).filter((name) => name.startsWith(ENV_PREFIX));
  const others = own.filter((name) => !VARIABLES.includes(name));
  if (others.length === 0) return;
  const { SETTINGS } = await import("../options/service.ts");
  const known = Object.keys(SETTINGS).map(envName);
  for (const name of others.filter((other) => !known.includes(other))) {
    const near = nearName(name, known);
    const instead = near === undefined
      ? `${programName()} help lists some`
      : `did you mean ${near}?`;
    tellWarning(`the environment variable ${name} has no effect: ${instead}`);
  }
}
