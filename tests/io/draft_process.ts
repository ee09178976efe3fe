/**
 * Begins a file, says so, and gives it its name once something comes on standard input:
 * `draft_process.ts FOLDER`.
 *
 * @module
 */

import { AtomicFile } from "../../lib/io/atomic_file.ts";

using file = await AtomicFile.create(`${Deno.args[0]}/model`);
file.write(0, new Uint8Array(1000));
console.log("begun");
if (await Deno.stdin.read(new Uint8Array(1)) !== null) await file.commit();
