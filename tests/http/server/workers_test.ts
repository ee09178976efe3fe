import { assert, assertEquals } from "@std/assert";
import { drainTogether } from "../../../lib/http/server/workers.ts";

/** Rounds in which two workers that have nothing to do are done. */
const ROUNDS = 2 * 200 / 20;

Deno.test("a worker that drains waits for the requests of the others, and no longer", async () => {
  const own = { active: 0 }, others = { active: 1 };
  const ended: string[] = [];
  let told = 0, wake = (): void => {};
  using channel = Object.assign(new BroadcastChannel("vgg16-drain"), {
    [Symbol.dispose]: () => channel.close(),
  });
  channel.onmessage = () => {
    told++;
    wake();
  };
  /** Waits until the workers have told each other so many times how many requests they have. */
  const rounds = async (count: number): Promise<void> => {
    for (const until = told + 2 * count; told < until && ended.length < 2;) {
      await new Promise<void>((resolve) => wake = resolve);
    }
  };
  const both = Promise.all([
    drainTogether(own).then(() => ended.push("own")),
    drainTogether(others).then(() => ended.push("others")),
  ]);
  await rounds(3 * ROUNDS);
  assertEquals(ended, []);
  others.active = 0;
  await Promise.race([both, rounds(10 * ROUNDS)]);
  assert(ended.length === 2, "the workers do not hear that the others are done");
});
