/** `pull`: downloads a model of the catalog, or of a repository, into the cache. */

import { describePath } from "../platform.ts";
import { pullModel } from "../convert/pull/pull.ts";
import { flag, PULL_OPTIONS, type Table } from "../options.ts";
import { VERSION } from "../version.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import { Loading } from "./loading.ts";
import { megabytes } from "./progress.ts";
import { print, printJson } from "./terminal.ts";

const { force, cacheDir, baseUrl, unverified, offline } = PULL_OPTIONS;
const OPTIONS = {
  ...{ force, cacheDir, baseUrl, unverified, offline },
  json: flag({}, "Print one JSON document"),
} satisfies Table;

export const pullCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] ID ...",
  operands: { "ID": "A name of the catalog, or hf:OWNER/NAME[@REVISION] of Hugging Face" },
  options: OPTIONS,
  notes: "A pull that was broken off is taken up by the next one. The command models lists what " +
    "there is.",

  async run(ids, { json, ...options }, signal) {
    if (ids.length === 0) throw new UsageError("pull needs at least one ID");
    const results: { id: string; path: string; size: number }[] = [];
    for (const id of ids) {
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
