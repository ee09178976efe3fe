/**
 * Pulls a model in a process of its own: `pull_process.ts ENTRY CACHE_DIR`, the entry as JSON.
 *
 * @module
 */

import { pullModel } from "../../../lib/convert/pull/pull.ts";

const entry = JSON.parse(Deno.args[0]);
await pullModel(entry.id, { entry, cacheDir: Deno.args[1] });
