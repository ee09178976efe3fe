/**
 * The workspace's packages as npm's are: `deno task build:npm [FOLDER]`, by default in `dist/npm/`. They have what is
 * published on JSR, with JavaScript and types instead of TypeScript, as JSR itself gives packages to npm; what they
 * import of npm's packages, they import by name.
 *
 * @module
 */

import { dirname, fromFileUrl, join, resolve } from "@std/path";
import { compile } from "./npm/compile.ts";
import { BIN, BIN_SOURCE, type DenoConfig, packageJson, PROGRAM } from "./npm/package_json.ts";
import { type Imports, type NpmImport, npmImport } from "./npm/imports.ts";
import { mapSpecifiers } from "./npm/specifiers.ts";
import { packageFolders, publicationOf } from "./publication.ts";

/** What only has a module in Deno's graph. Rollup looks for it nevertheless, and loads no WebAssembly. */
const FOR_DENO = /^ *if \(false\) (return )?import\(.*\);.*\n/gm;

/** Programs for readers, in TypeScript, which are no part of the packages' own code. */
const EXAMPLES = "examples/";

/**
 * Builds all packages of the workspace.
 *
 * @param target Where to, a path; each is in a folder by its name, which is emptied first.
 * @returns The packages' folders.
 */
export async function buildNpm(root: URL, target: string): Promise<string[]> {
  const { imports }: { imports: Imports } = await readJson(new URL("deno.json", root));
  const folders: string[] = [];
  for (const folder of packageFolders(root)) {
    const config: DenoConfig = await readJson(new URL("deno.json", folder));
    const place = join(target, config.name);
    await Deno.remove(place, { recursive: true }).catch(() => {});
    await buildPackage(folder, config, imports, place);
    folders.push(place);
  }
  return folders;
}

async function buildPackage(
  folder: URL,
  config: DenoConfig,
  imports: Imports,
  target: string,
): Promise<void> {
  const { files } = await publicationOf(folder, ["--no-check"]);
  const modules = new Map<string, string>(), packages = new Map<string, NpmImport>();
  const map = (specifier: string): string => {
    if (/^\.\.?\//.test(specifier)) return specifier.replace(/\.ts$/, ".js");
    if (specifier.startsWith("node:")) return specifier;
    const found = npmImport(specifier, imports);
    packages.set(found.name, found);
    return found.specifier;
  };
  for (const path of files) {
    if (path.startsWith(EXAMPLES)) continue;
    const source = new URL(path, folder);
    if (path.endsWith(".ts")) {
      const text = (await Deno.readTextFile(source)).replaceAll(FOR_DENO, "");
      modules.set(path, mapSpecifiers(text, map));
    } else await write(join(target, path), await Deno.readFile(source));
  }
  const { files: compiled, effects } = compile(fromFileUrl(folder), modules, await globals());
  for (const [path, text] of compiled) await write(join(target, path), text);
  await write(join(target, "package.json"), packageJson(config, packages.values(), effects));
  if (typeof config.exports === "object" && PROGRAM in config.exports) {
    await write(join(target, BIN), BIN_SOURCE);
  }
}

/** The types of Deno's global names. */
async function globals(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["types"] }).output();
  return new TextDecoder().decode(stdout);
}

async function readJson<Json>(file: URL): Promise<Json> {
  return JSON.parse(await Deno.readTextFile(file));
}

async function write(path: string, contents: string | Uint8Array): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
  await Deno.writeFile(path, bytes);
}

if (import.meta.main) {
  if (Deno.args.length > 1 || Deno.args[0]?.startsWith("-")) {
    console.error("Usage: deno task build:npm [FOLDER]");
    Deno.exit(2);
  }
  const root = new URL("../", import.meta.url);
  const target = resolve(Deno.args[0] ?? fromFileUrl(new URL("dist/npm", root)));
  for (const folder of await buildNpm(root, target)) console.log(folder);
}
