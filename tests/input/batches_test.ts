import { assertEquals, assertRejects } from "@std/assert";
import { openImage, stoppable } from "../../lib/input/batches.ts";

/** Numbers without end, which tell that they were ended. */
async function* numbers(ended: () => void): AsyncGenerator<number> {
  try {
    for (let n = 0;; n++) {
      await Promise.resolve();
      yield n;
    }
  } finally {
    ended();
  }
}

Deno.test("a list that is not read to its end is told so, and keeps no listener of the signal", async () => {
  const { signal } = new AbortController();
  let ends = 0, listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener: (...given: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, given);
    },
    removeEventListener: (...given: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, given);
    },
  });
  for await (const n of stoppable(numbers(() => ends++), signal)) {
    if (n === 3) break;
  }
  await assertRejects(async () => {
    for await (const _ of stoppable(numbers(() => ends++), signal)) throw new Error("damaged");
  });
  assertEquals([ends, listeners], [2, 0]);
});

Deno.test("an abort ends waiting for the next item, though it never comes", async () => {
  const controller = new AbortController(), reason = new Error("mine");
  async function* silent(): AsyncGenerator<number> {
    yield 1;
    await new Promise(() => {});
  }
  const read: number[] = [];
  const thrown = await assertRejects(async () => {
    for await (const n of stoppable(silent(), controller.signal)) {
      read.push(n);
      setTimeout(() => controller.abort(reason));
    }
  });
  assertEquals([thrown, read], [reason, [1]]);
});

Deno.test("an abort between two items ends the list", async () => {
  const controller = new AbortController();
  let ends = 0;
  await assertRejects(async () => {
    for await (const _ of stoppable(numbers(() => ends++), controller.signal)) controller.abort();
  });
  assertEquals(ends, 1);
});

Deno.test("what a list throws is thrown, with a signal too", async () => {
  const failing = async function* (): AsyncGenerator<number> {
    yield 1;
    throw new Error("the store is away");
  };
  await assertRejects(
    async () => {
      for await (const _ of stoppable(failing(), new AbortController().signal));
    },
    Error,
    "the store is away",
  );
});

Deno.test("an image that is opened after an abort is let go of", async () => {
  for (const isResponse of [false, true]) {
    const controller = new AbortController();
    const opened = Promise.withResolvers<ReadableStream<Uint8Array> | Response>();
    const canceled = Promise.withResolvers<void>();
    const opening = openImage(() => opened.promise, controller.signal);
    controller.abort(new Error("mine"));
    await assertRejects(() => opening, Error, "mine");
    const stream = new ReadableStream<Uint8Array>({ cancel: () => canceled.resolve() });
    opened.resolve(isResponse ? new Response(stream) : stream);
    await canceled.promise;
  }
});
