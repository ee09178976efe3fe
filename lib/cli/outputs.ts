/** Where a command writes: names that no other input has, and nothing that it reads. */

import { join } from "node:path";
import { describePath, isGranted, realPath } from "../platform.ts";
import { isWebUrl } from "../urls.ts";
import type { Input } from "./inputs.ts";
import { UsageError } from "./usage_error.ts";

/**
 * A file of a folder for each input, by the input's name: `photos/cat.jpg` gives `cat.png`, and another
 * `cat.jpg` `cat-2.png`. They depend on all inputs, in their order, so that a run that does a part of
 * them replaces no other's.
 */
export function outputsOf(
  inputs: readonly Input[],
  folder: string,
  extension: string,
): ReadonlyMap<string, string> {
  const outputs = new Map<string, string>();
  // Some file systems take a name in capitals for the same one.
  const taken = new Set<string>();
  for (const input of new Set(inputs.map(({ name }) => name))) {
    const stem = stemOf(input);
    let name = stem + extension;
    for (let n = 2; taken.has(name.toLowerCase()); n++) name = `${stem}-${n}${extension}`;
    taken.add(name.toLowerCase());
    outputs.set(input, join(folder, name));
  }
  return outputs;
}

function stemOf(input: string): string {
  const base = input === "-" ? "stdin" : input.split(/[/\\]/).at(-1)!;
  return base.replace(/\.[^.]*$/, "") || "image";
}

/**
 * Makes sure, before anything is read or written, that no output is a directory, or replaces what the
 * command reads, whatever links lead there.
 *
 * @param inputs Paths, and whatever else a command may read: a URL, the id of a model, nothing.
 * @throws {UsageError} If one is, or would be replaced.
 */
export async function keepInputs(
  inputs: Iterable<unknown>,
  outputs: Iterable<string>,
): Promise<void> {
  const there = new Map<string, string>();
  for (const output of outputs) {
    const real = await realPathIfAny(output);
    if (real === undefined) continue;
    if ((await describePath(real)).isFolder) {
      throw new UsageError(`Expected a file to write: ${output} is a directory`);
    }
    there.set(real, output);
  }
  if (there.size === 0) return;
  for (const input of inputs) {
    if (typeof input !== "string" || isWebUrl(input)) continue;
    const output = there.get(await realPathIfAny(input) ?? "");
    if (output === undefined) continue;
    throw new UsageError(`${input} would be replaced by ${output}: name another output`);
  }
}

async function realPathIfAny(path: string): Promise<string | undefined> {
  // What may not be read is no input; asking for it would stop the command.
  if (!isGranted({ name: "read", path })) return undefined;
  try {
    return await realPath(path);
  } catch {
    // There is none. Whatever else is wrong is said where it is opened.
    return undefined;
  }
}
