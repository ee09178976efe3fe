import { assert, assertEquals, assertRejects } from "@std/assert";
import { whitenBlocks } from "../../lib/train/blocks.ts";
import { inOneArray, type Rows, RowsInMemory } from "../../lib/train/rows.ts";

/** Rows that a function reads, and how many it had read when others' work was done for the first time. */
async function readBeforeAbort(use: (rows: Rows, signal: AbortSignal) => Promise<unknown>) {
  let count = 0;
  const controller = new AbortController();
  const rows: Rows = {
    ...{ count: 1000, length: 2 },
    read(n, into, first = 0) {
      // As a handler of Ctrl-C would, which waits for its turn.
      if (count++ === 0) setImmediate(() => controller.abort(new Error("enough")));
      for (let i = 0; i < into.length; i++) into[i] = Math.sin(n * 2 + first + i);
    },
  };
  await assertRejects(() => use(rows, controller.signal), Error, "enough");
  return count;
}

const READERS = {
  inOneArray,
  whitenBlocks: (rows: Rows, signal: AbortSignal) =>
    whitenBlocks(rows, Array.from({ length: rows.count }, (_, n) => n), [2], "standardize", signal),
};

for (const [name, read] of Object.entries(READERS)) {
  Deno.test(`${name}() lets others work now and then, and ends when it is aborted`, async () => {
    const count = await readBeforeAbort(read);
    assert(count > 0 && count < 500, `read ${count} of 1000 rows`);
    const one = new RowsInMemory(Float32Array.of(1, 2), 2);
    let reads = 0;
    const rows: Rows = { count: 1, length: 2, read: (...args) => (reads++, one.read(...args)) };
    await assertRejects(() => read(rows, AbortSignal.abort(new Error("before"))), Error, "before");
    assertEquals(reads, 0);
  });
}

Deno.test("rows are put into one array in their order", async () => {
  const rows: Rows = {
    ...{ count: 200, length: 3 },
    read: (n, into, first = 0) => {
      for (let i = 0; i < into.length; i++) into[i] = 10 * n + first + i;
    },
  };
  const { values, count, length } = await inOneArray(rows);
  assertEquals([count, length], [200, 3]);
  assertEquals([...values], Array.from({ length: 600 }, (_, i) => 10 * Math.floor(i / 3) + i % 3));
});
