/**
 * The memory and the time of a Worker of Cloudflare's: `deno run --allow-all --no-lock bench/workerd.ts FOLDER PICTURE …`.
 * FOLDER is what `deno task build:worker` makes (`examples/worker/modules`). Each picture is classified five times. The
 * memory is the whole process's: that of a Worker which does nothing has to be taken off, and what the decoders have left to the
 * collector is in it.
 *
 * @module
 */

import workerd from "npm:workerd@1.20260426.1";
import { startWorkerd } from "../tests/support/workerd.ts";

const [folder, ...pictures] = Deno.args;
// A module of CommonJS.
const { default: program } = workerd as unknown as { default: string };
await using worker = await startWorkerd(program, folder, "");

/** The most that it ever had, in MB. */
function peak(): string {
  const [, kB] = /VmHWM:\s*(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${worker.pid}/status`))!;
  return (Number(kB) / 1024).toFixed(0);
}

console.log("| picture | first, ms | fifth, ms | MB, first | MB, fifth |\n|---|---|---|---|---|");
console.log(`| none yet | – | – | ${peak()} | – |`);
for (const picture of pictures) {
  const times: number[] = [], peaks: string[] = [];
  for (let n = 0; n < 5; n++) {
    const start = performance.now();
    const response = await worker.post("/label", await Deno.readFile(picture));
    const text = await response.text();
    if (!response.ok) throw new Error(`${picture}: ${response.status} ${text}`);
    times.push(performance.now() - start);
    peaks.push(peak());
  }
  const name = picture.slice(picture.lastIndexOf("/") + 1);
  console.log(
    `| ${name} | ${times[0].toFixed(0)} | ${times[4].toFixed(0)} | ${peaks[0]} | ${peaks[4]} |`,
  );
}
