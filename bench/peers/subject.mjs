// The other end of ../measure.ts: says that it is ready, then answers each line "N" with the
// milliseconds of N runs. In Deno and in Node.

import process from "node:process";
import { createInterface } from "node:readline";

/** @param {number} loadMs @param {string} device @param {() => Promise<unknown>} run */
export async function serve(loadMs, device, run) {
  console.log(JSON.stringify({ loadMs, device }));
  for await (const line of createInterface({ input: process.stdin })) {
    const times = [];
    for (let i = Number(line); i > 0; i--) {
      const start = performance.now();
      await run();
      times.push(performance.now() - start);
    }
    console.log(JSON.stringify(times));
  }
  process.exit(0);
}

/** Pixels in 0…1 as an engine of float input takes them: `[224, 224, 3]` or `[3, 224, 224]`. */
export function noise() {
  let state = 0x9e3779b9;
  return Float32Array.from({ length: 3 * 224 * 224 }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  });
}
