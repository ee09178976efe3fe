/**
 * `pull`: downloads a model of the catalog into the cache.
 *
 * @module
 */

import { pullModel } from "../convert/pull/pull.ts";
import { parseArguments, UsageError } from "./arguments.ts";
import { untilInterrupted } from "./run.ts";
import { transferLine } from "./transfer_line.ts";

const HELP = `Downloads a model of the catalog, quantizes it, and keeps it in the cache.

Usage: pull [OPTIONS] ID ...

Options:
  --force            downloads again what is in the cache
  --cache-dir DIR    where models are kept (default: VGG_CACHE_DIR, or the user's cache)
  --base-url URL     a mirror that replaces scheme and host (default: VGG_MODEL_BASE_URL)
  --help             shows this

A pull that was broken off is taken up by the next one. The command models lists what there is.
`;

/** Runs the command. Resolves to the exit code. */
export async function pullCommand(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args, { flags: ["force"], values: ["cache-dir", "base-url"] });
  if (parsed.flags.has("help")) {
    console.log(HELP);
    return 0;
  }
  if (parsed.operands.length === 0) throw new UsageError("pull needs at least one ID");
  return await untilInterrupted(async (signal) => {
    for (const id of parsed.operands) {
      const line = transferLine(`Pulling ${id}`);
      try {
        const path = await pullModel(id, {
          force: parsed.flags.has("force"),
          cacheDir: parsed.values.get("cache-dir"),
          baseUrl: parsed.values.get("base-url"),
          signal,
          onProgress: ({ loaded, total }) => line.update(loaded, total),
        });
        line.clear();
        console.log(`${id}: ${path}, ${((await Deno.stat(path)).size / 1e6).toFixed(1)} MB`);
      } finally {
        line.clear();
      }
    }
    return 0;
  });
}
