/** Paths whose `~` no shell has expanded, as in `--out=~/labels.jsonl` and in lists. */

import { join } from "@std/path";
import type { Table } from "../options.ts";
import { readPermitted } from "../environment.ts";
import { isThere } from "../platform.ts";

/** The path in the user's folder that `~/` begins; one that is there by this name is meant, and no other. */
export function atHome(path: string): string {
  if (!/^~[/\\]/.test(path) || isThere(path)) return path;
  const home = ["HOME", "USERPROFILE"].map(readPermitted).find((value) => value !== undefined);
  return home === undefined ? path : join(home, path.slice(2));
}

/** What options with a path, or a model, stand for. */
const PATHS = ["FILE", "DIR", "MODEL"];

/** Options whose paths are in the user's folder where they say so. */
export function optionsAtHome<Options extends Readonly<Record<string, unknown>>>(
  table: Table,
  options: Options,
): Options {
  const isPath = (name: string): boolean =>
    name === "model" || PATHS.includes(table[name]?.placeholder ?? "");
  const at = (value: unknown): unknown =>
    typeof value === "string" ? atHome(value) : Array.isArray(value) ? value.map(at) : value;
  const entries = Object.entries(options)
    .map(([name, value]) => [name, isPath(name) ? at(value) : value]);
  return Object.fromEntries(entries) as Options; // The same names, and texts where there were texts.
}
