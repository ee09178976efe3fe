/**
 * The settings as a table of the documentation. Run this module to print it.
 *
 * @module
 */

import { envName, flagName, type Setting, SETTINGS } from "../lib/http/server/settings.ts";

function fallbackOf(setting: Setting): string {
  const { fallback } = setting;
  if (fallback === undefined || (Array.isArray(fallback) && fallback.length === 0)) return "";
  return `\`${fallback}\``;
}

/** One row a setting. */
export const SETTINGS_TABLE: string = [
  "| Variable | Flag | Default | Meaning |",
  "| --- | --- | --- | --- |",
  ...Object.entries(SETTINGS).map(([name, setting]) =>
    `| \`${envName(name)}\` | \`--${flagName(name)}\` | ${fallbackOf(setting)} | ${setting.about} |`
  ),
].join("\n");

if (import.meta.main) console.log(SETTINGS_TABLE);
