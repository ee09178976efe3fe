/**
 * The packages of npm that the project depends on: what its lock file and Deno's cache say of them.
 *
 * @module
 */

import { join } from "@std/path";
import { costOf, deno, entriesOf } from "../entries.ts";

/** A package of npm. */
export interface Dependency {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression. */
  readonly license: string;
  /** What its files have together, unpacked. */
  readonly bytes: number;
  /** The SHA-512 of its archive, in base64. */
  readonly sha512: string;
  /** Names of those that it needs itself. */
  readonly needs: readonly string[];
  /** The entries of the root's `deno.json` whose module graph has it: `"."`, `"./cli"`. */
  readonly entries: readonly string[];
}

/** Licenses of packages that name a file instead. */
const LICENSES: Readonly<Record<string, string>> = {
  // NIST's own code, and the HDF5 library that is compiled into it.
  h5wasm: "NIST-Software AND BSD-3-Clause",
};

/** What is used of `deno info --json`: packages by their keys in the lock file. */
interface Info {
  readonly npmPackages: Readonly<
    Record<string, {
      readonly name: string;
      readonly version: string;
      readonly dependencies: readonly string[];
      readonly localPath: string;
    }>
  >;
}

/** What is used of `deno.lock`. */
interface Lock {
  readonly npm: Readonly<Record<string, { readonly integrity: string }>>;
}

/**
 * All packages of a project's lock file, by their names in order. They have to be in Deno's cache, as they are once a
 * task has run.
 */
export async function dependenciesOf(root: URL): Promise<Dependency[]> {
  const { npm }: Lock = JSON.parse(await Deno.readTextFile(new URL("deno.lock", root)));
  const { npmPackages }: Info = JSON.parse(await deno(root, ["info", "--json", "mod.ts"]));
  const entries = await entriesByPackage(root);
  const found = Object.entries(npm).map(async ([key, { integrity }]): Promise<Dependency> => {
    const info = npmPackages[key];
    if (info === undefined) throw new Error(`${key} of deno.lock is unknown to deno info`);
    const { name, version, dependencies, localPath } = info;
    return {
      ...{ name, version },
      license: await licenseOf(name, localPath),
      bytes: await bytesOf(localPath),
      sha512: integrity.replace("sha512-", ""),
      needs: dependencies.map((key) => npmPackages[key]!.name).sort(),
      entries: entries.get(name) ?? [],
    };
  });
  return (await Promise.all(found)).sort((a, b) => a.name < b.name ? -1 : 1);
}

/** The entries that import a package themselves. */
async function entriesByPackage(root: URL): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const [entry, path] of await entriesOf(root)) {
    for (const name of (await costOf(root, path)).packages) {
      found.set(name, [...found.get(name) ?? [], entry]);
    }
  }
  return found;
}

async function licenseOf(name: string, folder: string): Promise<string> {
  const { license } = JSON.parse(await Deno.readTextFile(join(folder, "package.json")));
  const expression = LICENSES[name] ?? license;
  if (typeof expression !== "string" || /^see /i.test(expression)) {
    throw new Error(`Expected an SPDX expression as the license of ${name}: found ${expression}`);
  }
  return expression.replace(/^\((.*)\)$/, "$1");
}

async function bytesOf(folder: string): Promise<number> {
  let bytes = 0;
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    bytes += isDirectory ? await bytesOf(path) : (await Deno.stat(path)).size;
  }
  return bytes;
}
