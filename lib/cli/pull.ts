/** `pull`: downloads a model of the catalog, or of a repository, into the cache. */

import { describePath } from "../platform.ts";
import { pullModel } from "../convert/pull/pull.ts";
import { PULL_OPTIONS, type Table } from "../options.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import { megabytes, ProgressLine } from "./progress.ts";
import { print, tell } from "./terminal.ts";

const { force, cacheDir, baseUrl, unverified, offline } = PULL_OPTIONS;
const OPTIONS = { force, cacheDir, baseUrl, unverified, offline } satisfies Table;

export const pullCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] ID ...",
  operands: { "ID": "A name of the catalog, or hf:OWNER/NAME[@REVISION] of Hugging Face" },
  options: OPTIONS,
  notes: "A pull that was broken off is taken up by the next one. The command models lists what " +
    "there is.",

  async run(ids, options, signal) {
    if (ids.length === 0) throw new UsageError("pull needs at least one ID");
    for (const id of ids) {
      using line = new ProgressLine(`Pulling ${id}`);
      const path = await pullModel(id, {
        ...options,
        signal,
        onWarning: tell,
        onProgress: (progress) => line.show(progress),
      });
      print(`${id}: ${path}, ${megabytes((await describePath(path)).size)}`);
    }
    return 0;
  },
};
