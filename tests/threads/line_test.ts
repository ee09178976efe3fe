import { assert, assertEquals, assertRejects } from "@std/assert";
import { Line } from "../../lib/threads/pool.ts";

const never = new AbortController().signal;

Deno.test("no more hold a place than there are, and who waits longest is next", async () => {
  const line = new Line(2);
  const order: number[] = [];
  let inside = 0, most = 0;
  await Promise.all(Array.from({ length: 7 }, async (_, n) => {
    using _place = await line.take(never);
    order.push(n);
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 1));
    inside--;
  }));
  assertEquals(order, [0, 1, 2, 3, 4, 5, 6]);
  assertEquals(most, 2);
});

Deno.test("who gives up leaves the line, and takes no place", async () => {
  const line = new Line(1);
  const first = await line.take(never);
  const impatient = new AbortController();
  const second = line.take(impatient.signal), third = line.take(never);
  impatient.abort(new Error("enough"));
  await assertRejects(() => second, Error, "enough");
  first[Symbol.dispose]();
  first[Symbol.dispose](); // A second time changes nothing.
  const held = await third;
  const late = new AbortController();
  const fourth = line.take(late.signal), fifth = line.take(never);
  held[Symbol.dispose]();
  late.abort(); // It has the place already, and gives it back.
  (await fourth)[Symbol.dispose]();
  using _fifth = await fifth;
  await assertRejects(() => line.take(AbortSignal.abort(new Error("late"))), Error, "late");
});

Deno.test("a line of work that never waits lets other things happen in between", async () => {
  const line = new Line(1);
  let done = 0, doneAtTimer = -1;
  setTimeout(() => doneAtTimer = done, 0);
  await Promise.all(Array.from({ length: 50 }, async () => {
    using _place = await line.take(never);
    const start = performance.now();
    while (performance.now() - start < 2);
    done++;
  }));
  assert(doneAtTimer >= 0 && doneAtTimer < 50, `${doneAtTimer}`);
});

Deno.test("who takes several places waits for all of them, and keeps those behind from passing", async () => {
  const line = new Line(4);
  const log: string[] = [];
  const enter = async (name: string, places: number, signal?: AbortSignal): Promise<Disposable> => {
    const place = await line.take(signal, places);
    log.push(name);
    return place;
  };
  const three = await enter("three", 3);
  const impatient = new AbortController();
  const two = enter("two", 2, impatient.signal), one = enter("one", 1), four = enter("four", 4);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(log, ["three"]);
  impatient.abort(new Error("left"));
  await assertRejects(() => two, Error, "left");
  (await one)[Symbol.dispose]();
  assertEquals(log, ["three", "one"]);
  three[Symbol.dispose]();
  (await four)[Symbol.dispose]();
  assertEquals(log, ["three", "one", "four"]);
});
