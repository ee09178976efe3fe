/**
 * The settings as a table of the documentation. Run this module to print it.
 *
 * @module
 */

import { envName, flagName, type Option, valuesText } from "../lib/options.ts";
import { SETTINGS } from "../lib/options/service.ts";

const HEAD = ["Variable", "Flag", "Default", "Meaning"];
const ROWS = Object.entries(SETTINGS).map(([name, setting]) => [
  `\`${envName(name)}\``,
  `\`--${flagName(name)}\``,
  defaultOf(setting),
  meaningOf(setting),
]);

/** One row a setting. */
export const SETTINGS_TABLE: string = table([HEAD, HEAD.map(() => ""), ...ROWS]);

function defaultOf({ default: value, unset = "" }: Option): string {
  const isNone = value === undefined || (Array.isArray(value) && value.length === 0);
  return isNone ? unset : `\`${value}\``;
}

function meaningOf(setting: Option): string {
  const values = valuesText(setting);
  return setting.about + (values === "" ? "" : ` (${values})`);
}

/** Rows of Markdown, the columns aligned; the second row is the line below the head. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row, n) => {
    const cells = row.map((cell, column) => cell.padEnd(widths[column], n === 1 ? "-" : " "));
    return `| ${cells.join(" | ")} |`;
  }).join("\n");
}

if (import.meta.main) console.log(SETTINGS_TABLE);
