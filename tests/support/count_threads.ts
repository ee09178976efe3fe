/**
 * How many threads there are.
 *
 * @module
 */

import { assertEquals } from "@std/assert";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Threads of the process that run JavaScript besides this one, where the system tells: on Linux. */
function countNow(): number {
  if (Deno.build.os !== "linux") return 0;
  const names = [...Deno.readDirSync("/proc/self/task")].map(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/self/task/${name}/comm`);
    } catch {
      return ""; // It has just ended.
    }
  });
  return names.filter((name) => name.startsWith("worker-")).length;
}

/** How many there are, once those that were ended before are gone: that takes the system a moment. */
export async function countThreads(): Promise<number> {
  for (let count = countNow(), same = 0;; same++) {
    if (same === 20) return count;
    await sleep(10);
    if (countNow() === count) continue;
    [count, same] = [countNow(), 0];
  }
}

/** Checks that there are so many, or will be soon. */
export async function assertThreads(expected: number): Promise<void> {
  if (Deno.build.os !== "linux") return;
  for (let tries = 0; countNow() !== expected && tries < 1000; tries++) await sleep(10);
  assertEquals(countNow(), expected);
}
