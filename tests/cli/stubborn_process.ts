/**
 * Work that goes on after Ctrl-C: `stubborn_process.ts "writes a file"|"reads a pipe" FOLDER`.
 *
 * @module
 */

import { untilInterrupted } from "../../lib/cli/interrupt.ts";
import { AtomicFile } from "../../lib/io/atomic_file.ts";
import { spool } from "../../lib/io/spool.ts";

const [work, folder] = Deno.args;

async function* pipe(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1000);
  await goOn();
}

async function goOn(): Promise<void> {
  console.log("at work");
  await new Promise(() => {});
}

await untilInterrupted(async (signal) => {
  signal.addEventListener("abort", () => console.log("goes on"));
  setInterval(() => {}, 1000);
  if (work === "writes a file") {
    using file = await AtomicFile.create(`${folder}/model`);
    file.write(0, new Uint8Array(1000));
    await goOn();
  } else {
    await spool(pipe(), "pipe");
  }
  return 0;
});
