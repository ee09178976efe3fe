/**
 * What is written of the dependencies: the table in `docs/dependencies.md`, and the bill of materials,
 * `sbom.cdx.json`: `deno task build:dependencies`. With `--check` it writes nothing, and exits with 1 if
 * either says something else than the lock file and the packages.
 *
 * @module
 */

import { dependenciesOf } from "./dependencies/packages.ts";
import { sbom } from "./dependencies/sbom.ts";
import { dependencyTable } from "./dependencies/table.ts";
import { entriesOf } from "./entries.ts";

const BEGIN = "<!-- `deno task build:dependencies` writes this table. -->\n";
const END = "<!-- The end of the table. -->\n";

/** Puts a table into a page, between its two comments. */
export function replaceTable(page: string, table: string): string {
  const [before, rest, ...more] = page.split(BEGIN);
  const [, after, ...others] = rest?.split(END) ?? [];
  if (after === undefined || more.length > 0 || others.length > 0) {
    throw new Error(`Expected one table between "${BEGIN.trim()}" and "${END.trim()}"`);
  }
  return `${before}${BEGIN}\n${table}\n${END}${after}`;
}

/** The files that tell of a project's dependencies, by their paths, as they have to be. */
export async function dependencyFiles(root: URL): Promise<Record<string, string>> {
  const read = (path: string): Promise<string> => Deno.readTextFile(new URL(path, root));
  const dependencies = await dependenciesOf(root);
  const entries = (await entriesOf(root)).map(([name]) => name);
  const direct = dependencies.filter(({ entries }) => entries.length > 0);
  const table = dependencyTable(dependencies, entries);
  return {
    "docs/dependencies.md": replaceTable(await read("docs/dependencies.md"), table),
    "sbom.cdx.json": sbom(
      JSON.parse(await read("deno.json")),
      dependencies,
      direct.map(({ name }) => name),
    ),
  };
}

if (import.meta.main) {
  const root = new URL("../", import.meta.url), isCheck = Deno.args.includes("--check");
  for (const [path, text] of Object.entries(await dependencyFiles(root))) {
    const file = new URL(path, root);
    if (!isCheck) await Deno.writeTextFile(file, text);
    else if (await Deno.readTextFile(file).catch(() => "") !== text) {
      console.error(`${path} is not what deno.lock says: run deno task build:dependencies`);
      Deno.exitCode = 1;
    }
  }
}
