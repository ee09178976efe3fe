import { assert, assertEquals, assertRejects } from "@std/assert";
import { BatchQueue, type Work } from "../../../lib/http/queue/batch_queue.ts";

/** Work that notes its batches, and takes until the test lets it go. */
function notedWork(
  key = "work",
): { work: Work<number, number>; batches: number[][]; open: () => void } {
  const batches: number[][] = [];
  const gate = Promise.withResolvers<void>();
  const run = async (inputs: readonly number[]): Promise<number[]> => {
    batches.push([...inputs]);
    await gate.promise;
    return inputs.map((input) => input * 10);
  };
  return { work: { key, run }, batches, open: gate.resolve };
}

/** Lets all that is ready run, and no timer of a millisecond or more. */
const nextTask = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
const never = new AbortController().signal;

Deno.test("what comes while the engine runs goes through it together, up to maxBatch", async () => {
  const queue = new BatchQueue({ maxBatch: 3, maxQueueDelayMs: 0 });
  const { work, batches, open } = notedWork();
  const first = queue.submit(work, 1, never);
  await nextTask();
  const outcomes = [first, ...[2, 3, 4, 5, 6].map((n) => queue.submit(work, n, never))];
  open();
  const outputs = await Promise.all(outcomes);
  assertEquals(batches, [[1], [2, 3, 4], [5, 6]]);
  assertEquals(outputs.map(({ output }) => output), [10, 20, 30, 40, 50, 60]);
  assertEquals(outputs.map(({ batch }) => batch), [1, 3, 3, 3, 2, 2]);
});

Deno.test("a lone input is run at once, whatever the delay", async () => {
  const queue = new BatchQueue({ maxBatch: 8, maxQueueDelayMs: 60_000 });
  const { work, batches, open } = notedWork();
  const outcome = queue.submit(work, 1, never);
  await nextTask();
  assertEquals(batches, [[1]]);
  open();
  await outcome;
});

Deno.test("an input waits for announced ones until they come", async () => {
  const queue = new BatchQueue({ maxBatch: 8, maxQueueDelayMs: 60_000 });
  const { work, batches, open } = notedWork();
  open();
  const announced = queue.announce();
  const first = queue.submit(work, 1, never);
  await nextTask();
  assertEquals(batches, []);
  const second = queue.submit(work, 2, never);
  announced[Symbol.dispose]();
  await Promise.all([first, second]);
  assertEquals(batches, [[1, 2]]);
});

Deno.test("an input waits for announced ones no longer than the delay, nor once the batch is full", async () => {
  const { work, batches, open } = notedWork();
  open();
  const queue = new BatchQueue({ maxBatch: 2, maxQueueDelayMs: 20 });
  using _announced = queue.announce();
  const { queueMs } = await queue.submit(work, 1, never);
  assert(queueMs >= 19, `${queueMs}`); // Timers may fire a millisecond early.
  const slow = new BatchQueue({ maxBatch: 2, maxQueueDelayMs: 60_000 });
  using _also = slow.announce();
  await Promise.all([slow.submit(work, 2, never), slow.submit(work, 3, never)]);
  assertEquals(batches, [[1], [2, 3]]);
});

Deno.test("work of different keys is not mixed, and none is left behind", async () => {
  const queue = new BatchQueue({ maxBatch: 8, maxQueueDelayMs: 0 });
  const a = notedWork("a"), b = notedWork("b");
  const first = queue.submit(a.work, 1, never);
  await nextTask();
  const outcomes = [
    first,
    queue.submit(a.work, 2, never),
    queue.submit(b.work, 3, never),
    queue.submit(a.work, 4, never),
  ];
  a.open();
  b.open();
  await Promise.all(outcomes);
  assertEquals([a.batches, b.batches], [[[1], [2, 4]], [[3]]]);
});

Deno.test("an aborted input leaves the queue, and a run is aborted when all its inputs are", async () => {
  const queue = new BatchQueue({ maxBatch: 1, maxQueueDelayMs: 0 });
  let told: unknown;
  const work: Work<number, number> = {
    key: "k",
    run: (inputs, signal) =>
      inputs[0] === 3
        ? Promise.resolve([30])
        : new Promise((_, reject) =>
          signal.addEventListener("abort", () => {
            told = signal.reason;
            reject(signal.reason);
          })
        ),
  };
  const first = new AbortController(), second = new AbortController();
  const running = queue.submit(work, 1, first.signal);
  await nextTask();
  const waiting = queue.submit(work, 2, second.signal);
  const last = queue.submit(work, 3, never);
  second.abort(new Error("second"));
  await assertRejects(() => waiting, Error, "second");
  first.abort(new Error("first"));
  await assertRejects(() => running, Error, "first");
  assertEquals((told as Error).message, "first");
  assertEquals((await last).output, 30);
});

Deno.test("a run that fails fails its inputs, and the next run goes on", async () => {
  const queue = new BatchQueue({ maxBatch: 4, maxQueueDelayMs: 0 });
  let runs = 0;
  const work: Work<number, number> = {
    key: "k",
    run: async (inputs) => {
      await nextTask();
      if (++runs === 1) throw new Error("broken");
      return [...inputs];
    },
  };
  // Heard of at once: it may fail before the second is there.
  const first = assertRejects(() => queue.submit(work, 1, never), Error, "broken");
  await nextTask();
  const second = queue.submit(work, 2, never);
  await first;
  assertEquals((await second).output, 2);
});

Deno.test("between two runs of an engine that never waits other things happen", async () => {
  const queue = new BatchQueue({ maxBatch: 1, maxQueueDelayMs: 0 });
  let runs = 0, runsAtTimer = -1;
  const work: Work<number, number> = {
    key: "k",
    run: (inputs) => {
      const start = performance.now();
      while (performance.now() - start < 2);
      runs++;
      return Promise.resolve([...inputs]);
    },
  };
  setTimeout(() => runsAtTimer = runs, 0);
  await Promise.all(Array.from({ length: 50 }, (_, n) => queue.submit(work, n, never)));
  assert(runsAtTimer >= 0 && runsAtTimer < 50, `${runsAtTimer}`);
});

Deno.test("one input's error does not reach the others of its batch", async () => {
  const queue = new BatchQueue({ maxBatch: 4, maxQueueDelayMs: 0 });
  const { work: before, open } = notedWork("before");
  const client = new AbortController();
  const batches: number[][] = [];
  const work: Work<number, number> = {
    key: "k",
    run: async (inputs) => {
      batches.push([...inputs]);
      await nextTask();
      if (batches.length === 1) client.abort(new Error("left"));
      if (inputs.includes(2)) throw new Error("2 is bad");
      return inputs.map((input) => input * 10);
    },
  };
  const first = queue.submit(before, 0, never);
  const submitted = [
    queue.submit(work, 1, never),
    queue.submit(work, 2, never),
    queue.submit(work, 3, client.signal),
    queue.submit(work, 4, never),
  ];
  open();
  await first;
  const outcomes = await Promise.allSettled(submitted);
  const told = outcomes.map((outcome) =>
    outcome.status === "fulfilled" ? outcome.value.output : outcome.reason.message
  );
  assertEquals(told, [10, "2 is bad", "left", 40]);
  assertEquals(batches, [[1, 2, 3, 4], [1], [2], [4]]);
});

Deno.test("what costs little waits for one run of what costs much, which is passed over only once", async () => {
  const queue = new BatchQueue({ maxBatch: 4, maxQueueDelayMs: 0 });
  const { work, batches, open } = notedWork();
  const submitted = [queue.submit(work, 100, never, 100)];
  await nextTask();
  for (const cost of [101, 102, 1, 1, 1, 1, 1, 1, 1, 1, 2]) {
    submitted.push(queue.submit(work, cost, never, cost));
  }
  open();
  await Promise.all(submitted);
  assertEquals(batches, [[100], [1, 1, 1, 1], [101], [1, 1, 1, 1], [102], [2]]);
});

Deno.test("a run has inputs that cost maxBatch together, or one that costs more", async () => {
  const queue = new BatchQueue({ maxBatch: 4, maxQueueDelayMs: 0 });
  const { work, batches, open } = notedWork();
  const submitted = [queue.submit(work, 1, never)];
  await nextTask();
  for (const cost of [2.5, 3, 1.5, 5]) submitted.push(queue.submit(work, cost, never, cost));
  open();
  await Promise.all(submitted);
  assertEquals(batches, [[1], [1.5, 2.5], [3], [5]]);
});
