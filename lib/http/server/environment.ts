/**
 * Settings from the process: its environment's variables and its flags.
 *
 * @module
 */

import { environmentVariable, environmentVariables, isGranted } from "../../platform.ts";
import { ENV_PREFIX, envName } from "../../options.ts";
import { SETTINGS } from "../../options/service.ts";
import { type Settings, settingsFromEnv } from "./settings.ts";

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
  if (canListVariables()) {
    const all = Object.entries(environmentVariables());
    return Object.fromEntries(all.filter(([name]) => name.startsWith(ENV_PREFIX)));
  }
  const found: Record<string, string> = {};
  for (const name of Object.keys(SETTINGS).map(envName)) {
    if (!isGranted({ name: "env", variable: name })) continue;
    const text = environmentVariable(name);
    if (text !== undefined) found[name] = text;
  }
  return found;
}
