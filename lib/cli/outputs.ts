/** Where a command writes: names that no other input has, nothing that it reads, and nothing that is there. */

import { dirname, extname, join, resolve } from "@std/path";
import { writeWhole } from "../io/atomic_file.ts";
import {
  describePath,
  type FileInfo,
  isGranted,
  isLink,
  makeFolder,
  realPath,
} from "../platform.ts";
import { flag, type Table, type Values } from "../options.ts";
import { isWebUrl } from "../urls.ts";
import type { Input } from "./inputs.ts";
import { print, printJson } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** What commands that write have in common. */
export const OUTPUT_FLAGS = {
  force: flag({}, "Replace what is there, but never what is read"),
  dryRun: flag({}, "List what would be read and written, and do nothing"),
} satisfies Table;

/**
 * A file of a folder for each input, by the input's name, at the input's own path: `pets/cat.jpg` gives
 * `pets/cat.png`, and `pets/cat.png` beside it keeps that name, so that the other one is `pets/cat.jpg.png`. Of one
 * operand it is the path below that. They depend on all inputs, so that a run that does a part of them replaces no
 * other's.
 */
export function outputsOf(
  inputs: readonly Input[],
  folder: string,
  extension: string,
): ReadonlyMap<string, string> {
  const outputs = new Map<string, string>(), taken = new Set<string>();
  const named = new Map(inputs.map((input) => [input.name, input])), names = [...named.keys()];
  // Some file systems take a name in capitals for the same one.
  const take = (input: string, path: string): void => {
    taken.add(path.toLowerCase());
    outputs.set(input, join(folder, path));
  };
  const paths = new Map(names.map((name) => [name, pathOf(named.get(name)!.below ?? name)]));
  const own = names.filter((name) => paths.get(name)!.toLowerCase().endsWith(extension));
  for (const name of [...own, ...names.filter((name) => !own.includes(name))]) {
    const path = paths.get(name)!, stem = path.replace(/\.[^./]*$/, "") || "image";
    let chosen = stem + extension;
    if (taken.has(chosen.toLowerCase())) chosen = path + extension;
    for (let n = 2; taken.has(chosen.toLowerCase()); n++) chosen = `${path}-${n}${extension}`;
    take(name, chosen);
  }
  return new Map(names.map((name) => [name, outputs.get(name)!]));
}

/** The path of an input below a folder: without what leads out of it. */
function pathOf(input: string): string {
  if (input === "-") return "stdin";
  const parts = input.replace(/^[a-z][a-z\d+.-]*:\/\//i, "").split(/[/\\]/)
    .filter((part) => !["", ".", ".."].includes(part))
    .map((part) => part.replaceAll(/[:*?"<>|]/g, "_"));
  const last = parts.at(-1) ?? "image";
  return [...parts.slice(0, -1), last.startsWith(".") ? `image${last}` : last].join("/");
}

/** What a run reads and writes. */
export interface Plan {
  /** Paths, and whatever else a command may read: a URL, the id of a model, nothing. */
  readonly reads: Iterable<unknown>;
  /** Files that must not be there yet. */
  readonly writes: Iterable<string>;
  /** Files that the run adds to, or whose contents tell by themselves whether it may. */
  readonly grows?: Iterable<string>;
}

/** How outputs are checked. */
type OutputFlags = Values<typeof OUTPUT_FLAGS> & { readonly json?: boolean | undefined };

/**
 * Makes sure, before any work, that no output replaces what the command reads, whatever links lead there, nor
 * anything else, unless that is wanted, nor another output.
 *
 * @returns Whether the command is to go on: it is not where only a list was asked for.
 * @throws {UsageError} If an output is a folder, an input, or there.
 */
export async function checkOutputs(
  { reads, writes, grows = [] }: Plan,
  { force = false, dryRun = false, json }: OutputFlags,
): Promise<boolean> {
  const inputs = [...reads].filter((input) => typeof input === "string");
  const outputs = [...writes], grown = [...grows], all = [...outputs, ...grown];
  if (force && all.length === 0) throw new UsageError("Option --force needs an output to replace");
  for (const path of all) await checkPlace(path);
  for (const folder of new Set(all.map((path) => dirname(path)))) await checkFolder(folder);
  await keepInputs(inputs, all);
  checkDifferent(all);
  const there: string[] = [];
  for (const path of force && !dryRun ? [] : outputs) if (await isThere(path)) there.push(path);
  if (dryRun && json) printJson({ reads: inputs, writes: outputs, addsTo: grown, exist: there });
  else if (dryRun) {
    const exist = new Set(there);
    print([
      ...inputs.map((input) => `read   ${input}`),
      ...grown.map((path) => `add to ${path}`),
      ...outputs.map((path) => `${exist.has(path) ? "exists" : "write "} ${path}`),
    ]);
  }
  const [first, ...more] = there;
  if (first === undefined || force) return !dryRun;
  const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
  throw new UsageError(
    `${first} exists${others}: name another output, or replace it with --force`,
  );
}

/** @throws {UsageError} If nothing can be written at a path. */
async function checkPlace(path: string): Promise<void> {
  if (path === "-") {
    throw new UsageError(
      "Expected a file to write, found -: without one results go to standard output",
    );
  }
  if (/[/\\]$/.test(path)) {
    throw new UsageError(`Expected a file to write: ${path} ends as a folder`);
  }
  const info = await infoIfAny(path);
  if (info === undefined || info.isFile) return;
  const what = info.isFolder
    ? "is a directory"
    : "is a pipe or a device: leave it out, and redirect";
  throw new UsageError(`Expected a file to write: ${path} ${what}`);
}

/** @throws {UsageError} If it cannot be a folder. */
async function checkFolder(folder: string): Promise<void> {
  const info = await infoIfAny(folder);
  if (info === undefined && folder !== dirname(folder)) return await checkFolder(dirname(folder));
  if (info === undefined || info.isFolder) return;
  throw new UsageError(`Expected a folder to write into: ${folder} is none`);
}

/** @throws {UsageError} If two outputs are one file, or one is a folder of the other. */
function checkDifferent(paths: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const path of paths) {
    const whole = resolve(path).toLowerCase(), other = seen.get(whole);
    if (other !== undefined) throw new UsageError(`Two outputs are one file: ${other} and ${path}`);
    seen.set(whole, path);
  }
  for (const [whole, path] of seen) {
    for (let folder = dirname(whole); folder !== dirname(folder); folder = dirname(folder)) {
      const outer = seen.get(folder);
      if (outer === undefined) continue;
      throw new UsageError(`An output would be a folder of another: ${outer} of ${path}`);
    }
  }
}

/**
 * Writes an output, whose folder is made if it is missing. What has come to be there since it was checked is kept,
 * unless it may be replaced.
 */
export async function writeOutput(
  path: string,
  contents: Uint8Array | string,
  isReplaced: boolean = false,
): Promise<void> {
  await makeFolderOf(path);
  await writeWhole(path, contents, !isReplaced);
}

/** Makes the folder of a file, if it is missing: that it is there is no reason to ask for a permission. */
export async function makeFolderOf(path: string): Promise<void> {
  const folder = dirname(path);
  if (!await isThere(folder)) await makeFolder(folder);
}

/**
 * Checks the name of a model file that is to be written.
 *
 * @throws {UsageError} If it ends as that of another program, or of no model at all.
 */
export function checkModelName(out: string): void {
  const ending = extname(out);
  if (["", ".safetensors"].includes(ending.toLowerCase())) return;
  throw new UsageError(
    `A model is written as .safetensors, which nothing reads as ${ending}: name it ` +
      `${out.slice(0, -ending.length)}.safetensors`,
  );
}

/** Whether there is something at a path that may be read, also a link that leads nowhere. */
async function isThere(path: string): Promise<boolean> {
  if (!isGranted({ name: "read", path })) return false;
  return await isLink(path).then(() => true, () => false);
}

async function infoIfAny(path: string): Promise<FileInfo | undefined> {
  if (!isGranted({ name: "read", path })) return undefined;
  return await describePath(path).catch(() => undefined);
}

/**
 * Makes sure, before anything is read or written, that no output replaces what the command reads,
 * whatever links and names lead there.
 *
 * @throws {UsageError} If one would.
 */
export async function keepInputs(
  inputs: Iterable<unknown>,
  outputs: Iterable<string>,
): Promise<void> {
  const there = new Map<string, string>();
  for (const output of outputs) {
    const file = await fileAt(output);
    if (file !== undefined) there.set(file, output);
  }
  if (there.size === 0) return;
  for (const input of inputs) {
    if (typeof input !== "string" || isWebUrl(input)) continue;
    const output = there.get(await fileAt(input) ?? "");
    if (output === undefined) continue;
    throw new UsageError(`${input} would be replaced by ${output}: name another output`);
  }
}

/** What tells a file from others, whatever links and names lead there; `undefined` if there is none. */
async function fileAt(path: string): Promise<string | undefined> {
  // What may not be read is no input; asking for it would stop the command.
  const info = await infoIfAny(path);
  return info && (info.id ?? await realPath(path));
}
