/**
 * The `package.json` of a package that has a `deno.json`.
 *
 * @module
 */

import root from "../../deno.json" with { type: "json" };
import type { NpmImport } from "./imports.ts";

/** What is read of a package's `deno.json`. */
export interface DenoConfig {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: string | Readonly<Record<string, string>>;
}

/** The entry that people run. */
export const PROGRAM = "./cli";
/** What Node runs for it, as not every Node tells a module that it is the program. */
export const BIN = "bin.js";
/** The text of that file. */
export const BIN_SOURCE = `#!/usr/bin/env node
import { run } from "./cli.js";

await run();
`;

/**
 * Writes a `package.json`: every entry with its types, and dependencies with their exact versions.
 *
 * @param imports What the modules import of npm's packages.
 * @param effects The modules that bundlers must keep, though nothing of theirs is used.
 */
export function packageJson(
  config: DenoConfig,
  imports: Iterable<NpmImport>,
  effects: readonly string[],
): string {
  const { name, version, license } = config;
  const entries = typeof config.exports === "string" ? { ".": config.exports } : config.exports;
  const isProgram = PROGRAM in entries;
  const versions = [...imports].map(({ name, version }) => [name, version] as const);
  const json = {
    ...{ name, version, license, type: "module" },
    exports: Object.fromEntries(
      Object.entries(entries).map(([entry, path]) => {
        const stem = path.replace(/\.ts$/, "");
        return [entry, { types: `${stem}.d.ts`, default: `${stem}.js` }];
      }),
    ),
    ...isProgram && { bin: { vgg16: `./${BIN}` } },
    sideEffects: [...effects, ...isProgram ? [BIN] : []].map((path) => `./${path}`).sort(),
    engines: root.engines,
    dependencies: Object.fromEntries(versions.sort(([a], [b]) => a < b ? -1 : 1)),
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}
