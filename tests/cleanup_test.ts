import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AsyncCleanup, Cleanup } from "../lib/cleanup.ts";

Deno.test("what was given last is undone first, once, whatever fails", () => {
  const undone: string[] = [];
  const cleanup = new Cleanup();
  cleanup.defer(() => undone.push("first"));
  assertEquals(cleanup.adopt(7, (value) => undone.push(`adopted ${value}`)), 7);
  const value = { [Symbol.dispose]: () => void undone.push("used") };
  assertEquals(cleanup.use(value), value);
  cleanup.defer(() => {
    throw new Error("failed");
  });
  assertThrows(() => cleanup.dispose(), Error, "failed");
  cleanup.dispose();
  assertEquals(undone, ["used", "adopted 7", "first"]);
});

Deno.test("several errors come together", () => {
  const cleanup = new Cleanup(), errors = [new Error("a"), new Error("b")];
  for (const error of errors) {
    cleanup.defer(() => {
      throw error;
    });
  }
  const thrown = assertThrows(() => cleanup.dispose(), AggregateError);
  assertEquals(thrown.errors, errors.toReversed());
});

Deno.test("what is moved is undone by the other, in the same order", () => {
  const undone: number[] = [];
  let moved: Cleanup;
  {
    using cleanup = new Cleanup();
    for (const n of [1, 2, 3]) cleanup.defer(() => undone.push(n));
    moved = cleanup.move();
  }
  assertEquals(undone, []);
  moved.dispose();
  assertEquals(undone, [3, 2, 1]);
});

Deno.test("the asynchronous one waits for each", async () => {
  const undone: number[] = [];
  const cleanup = new AsyncCleanup();
  for (const n of [1, 2]) {
    cleanup.defer(async () => {
      await Promise.resolve();
      undone.push(n);
      if (n === 2) throw new Error("failed");
    });
  }
  const moved = cleanup.move();
  await cleanup[Symbol.asyncDispose]();
  assertEquals(undone, []);
  await assertRejects(() => moved[Symbol.asyncDispose](), Error, "failed");
  assertEquals(undone, [2, 1]);
});
