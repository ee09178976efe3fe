/** `pull`: downloads a model of the catalog, or of a repository, into the cache. */

import { describePath } from "../platform.ts";
import { pullModel } from "../convert/pull/pull.ts";
import { flag, PULL_OPTIONS, type Table } from "../options.ts";
import { VERSION } from "../version.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import { type KnownModel, knownModel, placeOf } from "./known_models.ts";
import { Loading } from "./loading.ts";
import { megabytes } from "./progress.ts";
import { print, printJson, tell } from "./terminal.ts";

const { force, cacheDir, baseUrl, unverified, offline } = PULL_OPTIONS;
const OPTIONS = {
  ...{ force, cacheDir, baseUrl, unverified, offline },
  json: flag({}, "Print one JSON document"),
} satisfies Table;

export const pullCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] ID ...",
  operands: { "ID": "A name of the catalog, or hf:OWNER/NAME[@REVISION] of Hugging Face" },
  examples: [
    { line: "vgg16 pull vgg16-imagenet" },
    { line: "vgg16 pull hf:OWNER/NAME --unverified" },
  ],
  options: OPTIONS,
  groups: { "What is pulled": ["force", "unverified"] },
  notes: "A pull that was broken off is taken up by the next one. The command models lists what " +
    "there is.",

  async run(ids, { json, ...options }, signal) {
    if (ids.length === 0) throw new UsageError("pull needs at least one ID");
    // Before the first is pulled.
    const models = await Promise.all(ids.map(knownModel));
    const results: { id: string; path: string; size: number }[] = [];
    for (const [index, id] of ids.entries()) {
      if (await isOwn(id, models[index]!)) continue;
      using loading = new Loading(id, options);
      const path = await pullModel(id, { ...options, signal, ...loading.callbacks });
      const { size } = await describePath(path);
      results.push({ id, path, size });
      if (!json) print(`${id}: ${path}, ${megabytes(size)}`);
    }
    if (json) printJson({ program: "vgg16 pull", version: VERSION, results });
    return 0;
  },
};

/**
 * Whether a model comes with the program, which is told.
 *
 * @throws {UsageError} If it is in another package.
 */
async function isOwn(id: string, model: KnownModel): Promise<boolean> {
  if (model.entry?.file === undefined) return false;
  if (await placeOf(model) === undefined) {
    const name = model.entry.package!; // Others are here.
    throw new UsageError(`${id} is in the package ${name}, not in a download: add jsr:${name}`);
  }
  tell(`${id} is part of the package: nothing to pull`);
  return true;
}
