/**
 * Dependencies as a table of the documentation.
 *
 * @module
 */

import type { Dependency } from "./packages.ts";

/** What each package is for that the project names itself. */
const PURPOSES: Readonly<Record<string, string>> = {
  "@tensorflow/tfjs-backend-cpu": "derivatives for `fitFromScratch`",
  "@tensorflow/tfjs-backend-webgpu": "WebGPU: its pipelines",
  "@tensorflow/tfjs-core": "WebGPU and `fitFromScratch`: tensors",
  "deno-std": "`@std`: paths, CSV, pauses, ETags, HTML, bytes, closest words",
  "h5wasm": "Keras' HDF5 files",
  "hyparquet-writer": "Parquet of `embed`",
  "imagescript": "the GIF decoder that `deno task build:codecs` copies",
};

/**
 * One row a package: what it is for, or which package needs it, the entries that bring it, its bytes and license.
 *
 * @param entries All entries of the project.
 * @throws {Error} If nobody knows what a package is for.
 */
export function dependencyTable(
  dependencies: readonly Dependency[],
  entries: readonly string[],
): string {
  const rows = dependencies.map((dependency) => {
    const { name, version, license, bytes } = dependency;
    const what = PURPOSES[name] ?? needersOf(name, dependencies);
    const size = `${(bytes / 1000).toFixed(0)} kB`;
    const where = entryWords(bringersOf(dependency, dependencies), entries);
    return `| \`${name}\` | ${version} | ${what} | ${where} | ${size} | ${license} |\n`;
  });
  const total = dependencies.reduce((sum, { bytes }) => sum + bytes, 0);
  return `| package | version | what for | entries | unpacked | license |
|---|---|---|---|---|---|
${rows.join("")}| all | | | | ${(total / 1e6).toFixed(1)} MB | |
`;
}

function needersOf(name: string, dependencies: readonly Dependency[]): string {
  const needers = dependencies.filter(({ needs }) => needs.includes(name));
  if (needers.length === 0) {
    throw new Error(`${name} is in deno.lock: say in tools/dependencies/table.ts what it is for`);
  }
  return `needed by ${needers.map(({ name }) => `\`${name}\``).join(", ")}`;
}

/** The entries that import a package, or one that needs it. */
function bringersOf(
  { name, entries }: Dependency,
  dependencies: readonly Dependency[],
): Set<string> {
  const needers = dependencies.filter(({ needs }) => needs.includes(name));
  return new Set([
    ...entries,
    ...needers.flatMap((needer) => [...bringersOf(needer, dependencies)]),
  ]);
}

function entryWords(bringers: ReadonlySet<string>, all: readonly string[]): string {
  const words = (entries: readonly string[]): string =>
    entries.map((entry) => `\`${entry}\``).join(", ");
  const others = all.filter((entry) => !bringers.has(entry));
  if (bringers.size === 0) return "none";
  if (others.length === 0) return "all";
  return others.length < bringers.size
    ? `all but ${words(others)}`
    : words(all.filter((entry) => bringers.has(entry)));
}
