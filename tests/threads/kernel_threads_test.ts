import { assertEquals, assertRejects } from "@std/assert";
import { KernelThreads } from "../../lib/threads/kernel_threads.ts";
import { assertThreads, countThreads } from "../support/count_threads.ts";

/** Exports `add(address, value)`, which adds to a word of the shared `env.memory`. */
const ADDER = new WebAssembly.Module(Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0],
  ...[1, 6, 1, 96, 2, 127, 127, 0], // (i32, i32) -> ()
  ...[2, 18, 1, 3, 101, 110, 118, 6, 109, 101, 109, 111, 114, 121, 2, 3, 1, 128, 128, 4],
  ...[3, 2, 1, 0],
  ...[7, 7, 1, 3, 97, 100, 100, 0, 0],
  ...[10, 13, 1, 11, 0, 32, 0, 32, 1, 254, 30, 2, 0, 26, 11], // i32.atomic.rmw.add
));
const AT = 64, SUM = 1024;

async function start(count: number, firstOrder = 0): Promise<[KernelThreads, Int32Array]> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const words = new Int32Array(memory.buffer);
  words[AT / 4] = firstOrder;
  const constants = Array.from({ length: count }, () => []);
  const options = { module: ADDER, memory, at: AT, kernels: ["add"], constants };
  return [await KernelThreads.start(options), words];
}

Deno.test("each thread obeys each order once, also past the largest number of a word", async () => {
  const before = await countThreads();
  const [threads, words] = await start(3, 2 ** 31 - 3);
  for (let n = 1; n <= 200; n++) {
    threads.begin(0, SUM, 10);
    if (n % 2) await threads.finish();
    else threads.finishSync();
    assertEquals(words[SUM / 4], 3 * 10 * n);
  }
  await threads.end();
  await assertThreads(before);
});

Deno.test("a thread that is woken for an order that it has obeyed waits for the next", async () => {
  const [threads, words] = await start(3);
  for (let n = 1; n <= 3; n++) {
    threads.begin(0, SUM, 10);
    await threads.finish();
    // As begin() does late, where it was held up between an order and the call to it.
    // Each wakes a thread that sleeps, so in the end each has been woken, and sleeps again.
    for (let woken = 0; woken < 9; woken += Atomics.notify(words, AT / 4, 1)) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    assertEquals(words[SUM / 4], 3 * 10 * n);
  }
  await threads.end();
});

Deno.test("who waits for threads is told when one dies, and the others can be ended", async () => {
  const before = await countThreads();
  const [threads] = await start(2);
  threads.begin(0, SUM + 1, 1); // An address that is no word's: it traps.
  await assertRejects(() => threads.finish(), Error, "A thread failed");
  await assertRejects(() => threads.finish(), Error, "A thread failed");
  await threads.end();
  await assertThreads(before);
});
