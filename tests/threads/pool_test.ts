import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { toFileUrl } from "@std/path";
import { ThreadPool } from "../../lib/threads/pool.ts";
import { startThreads, Thread, until } from "../../lib/threads/thread.ts";
import { startWorker } from "../../lib/threads/worker.ts";
import { assertThreads, countThreads } from "../support/count_threads.ts";
import { random } from "../support/random_model.ts";
import type { Order } from "../support/stormy_thread.ts";

const AT_START = await Deno.makeTempFile();
globalThis.addEventListener("unload", () => Deno.removeSync(AT_START));
/** Says what threads do that start from now on. */
const whenStarted = (order: "start" | "wait" | Order): void =>
  Deno.writeTextFileSync(AT_START, String(order));
whenStarted("start");

const SCRIPT = new URL("../support/stormy_thread.ts", import.meta.url);
SCRIPT.hash = String(toFileUrl(AT_START));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const echo = (n: number, ms = 0): Order => ({ echo: n, ms });

/** One call of the storm: what is ordered, what became of it, and whether it was given up. */
async function call(pool: ThreadPool, n: number, order: Order, signal: AbortSignal): Promise<void> {
  try {
    using lease = await pool.take(signal);
    if (lease === undefined) return; // No thread could be started: the caller's work.
    assertEquals(await lease.thread.ask(order, { signal }), n);
  } catch (error) {
    if (signal.aborted) assertStrictEquals(error, signal.reason);
    else assert(order === "throw", `${order} should not throw ${error}`);
  }
}

for (const seed of [1, 2]) {
  Deno.test(`a storm of aborts, deaths and failed starts: each call settles, no thread is lost, seed ${seed}`, async () => {
    const next = random(seed);
    const most = 3, before = await countThreads();
    const pool = new ThreadPool(SCRIPT, most, 20);
    const calls: Promise<void>[] = [];
    try {
      for (let n = 0; n < 120; n++) {
        whenStarted(next() < 0.8 ? "start" : "throw");
        const kind = next();
        const order = n === 40 ? "hang" : kind < 0.8 ? echo(n, next() * 20) : "throw";
        const controller = new AbortController();
        calls.push(call(pool, n, order, controller.signal));
        if (order === "hang" || next() < 0.4) {
          setTimeout(() => controller.abort(new Error(`caller ${n} left`)), next() * 200);
        }
        if (next() < 0.5) await sleep(next() * 40);
      }
      await Promise.all(calls);
      whenStarted("start");
      await sleep(50);
      const leases = await Promise.all([1, 2, 3].map(() => pool.take()));
      const answers = leases.map((lease, n) => lease!.thread.ask(echo(n)));
      assertEquals(await Promise.all(answers), [0, 1, 2]);
      await assertThreads(before + most);
      const fourth = pool.take(AbortSignal.timeout(100));
      await assertRejects(() => fourth, DOMException, "timeout");
      for (const lease of leases) await lease!.thread.end();
      for (const lease of leases) lease![Symbol.dispose]();
      await assertThreads(before);
    } finally {
      whenStarted("start");
    }
  });
}

Deno.test("who gives up while a thread starts takes nobody else out of the line", async () => {
  const pool = new ThreadPool(SCRIPT, 1);
  try {
    const first = (await pool.take())!;
    const impatient = new AbortController();
    const second = pool.take(impatient.signal), third = pool.take();
    whenStarted("wait");
    await first.thread.end(); // Now one is started for the second.
    first[Symbol.dispose]();
    await sleep(50);
    impatient.abort(new Error("enough"));
    await assertRejects(() => second, Error, "enough");
    whenStarted("start");
    using lease = (await third)!;
    assertEquals(await lease.thread.ask(echo(3)), 3);
    await lease.thread.end();
  } finally {
    whenStarted("start");
  }
});

Deno.test("a thread that cannot be started is tried again after a pause", async () => {
  const pool = new ThreadPool(SCRIPT, 2, 200);
  try {
    whenStarted("throw");
    assertEquals(await pool.take(), undefined);
    whenStarted("start");
    assertEquals(await pool.take(), undefined);
    await sleep(250);
    using lease = (await pool.take())!;
    assertEquals(await lease.thread.ask(echo(1)), 1);
    await lease.thread.end();
  } finally {
    whenStarted("start");
  }
});

Deno.test("a thread is used again, and one that died meanwhile is not", async () => {
  const pool = new ThreadPool(SCRIPT, 1);
  const take = async () => (await pool.take())!;
  const first = await take();
  first[Symbol.dispose]();
  first[Symbol.dispose](); // A second time changes nothing.
  const second = await take();
  assertStrictEquals(second.thread, first.thread);
  second[Symbol.dispose]();
  await sleep(1); // It waits for work.
  await second.thread.end();
  using third = await take();
  assertEquals(await third.thread.ask(echo(5)), 5);
  await third.thread.end();
});

Deno.test("a thread that is given up can be asked again once it has answered", async () => {
  const pool = new ThreadPool(SCRIPT, 1);
  const first = (await pool.take())!;
  const error = await assertRejects(
    () => first.thread.ask(echo(1, 200), { limitMs: 20 }),
    DOMException,
  );
  assertEquals(error.name, "TimeoutError");
  await assertRejects(() => first.thread.ask(echo(2)), Error, "without a question");
  first[Symbol.dispose]();
  using second = (await pool.take())!;
  assertStrictEquals(second.thread, first.thread);
  assertEquals(await second.thread.ask(echo(3)), 3);
  await second.thread.end();
});

Deno.test("a thread in a loop that knows no end is killed", async () => {
  const before = await countThreads();
  const pool = new ThreadPool(SCRIPT, 1);
  const first = (await pool.take())!;
  await assertRejects(() => first.thread.ask("hang", { limitMs: 50 }), DOMException);
  first[Symbol.dispose]();
  using second = (await pool.take())!;
  await assertThreads(before + 1);
  assertEquals(await second.thread.ask(echo(3)), 3);
  await second.thread.end();
  await assertThreads(before);
});

Deno.test("threads start together or not at all, and who waits learns that one has died", async () => {
  const before = await countThreads();
  const missing = new URL("../support/no_such_thread.ts", import.meta.url);
  await assertRejects(() => startThreads(missing, [1, 2, 3]));
  await assertThreads(before);
  const threads = await startThreads(SCRIPT, [1, 2, 3]);
  const { promise: never } = Promise.withResolvers<void>();
  const waiting = [until(never, threads), until(never, threads), threads[2].ask("throw")];
  await Promise.all(waiting.map((one) => assertRejects(() => one, Error, "A thread failed")));
  await assertRejects(() => until(never, threads), Error, "A thread failed");
  await Promise.all(threads.map((thread) => thread.end()));
  await assertThreads(before);
});

Deno.test("who waits learns that a thread has left without an error", async () => {
  const code = `port.listen(() => close()); port.send("ready");`;
  // Not confined, or it could not leave.
  const thread = new Thread(startWorker(code, "", undefined));
  await thread.started({});
  await assertRejects(() => thread.ask("leave"), Error, "ended with code 0");
});

Deno.test("a thread that is ready before somebody waits for that has started", async () => {
  let tell = (_message: unknown): void => {};
  const thread = new Thread({
    listen: ({ message }) => tell = message,
    postMessage: (message) => queueMicrotask(() => tell(message)),
    keepAlive: () => {},
    terminate: () => {},
  });
  assert(!thread.isFree);
  tell("ready");
  await thread.started({ limitMs: 0 });
  assertEquals(await thread.ask("an answer"), "an answer");
});

Deno.test("code without imports is a thread where nothing may be read", async () => {
  const code = `import { parentPort, workerData } from "node:worker_threads";
    parentPort.postMessage("ready"); parentPort.on("message", (n) => parentPort.postMessage(n + workerData.given));`;
  const module = new URL("../../lib/threads/thread.ts", import.meta.url);
  const program = `import { startThreads } from ${JSON.stringify(module.href)};
    const [one, two] = await startThreads(${JSON.stringify(code)}, [10, 20]);
    console.log(await one.ask(1), await two.ask(2));`; // and ends, though they wait for more
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", `data:text/javascript,${encodeURIComponent(program)}`],
    signal: AbortSignal.timeout(60_000),
  }).output();
  const text = new TextDecoder();
  assertEquals(text.decode(stdout).trim(), "11 22", text.decode(stderr));
});

Deno.test("a module that is not there is no line of another thread on the terminal", async () => {
  const module = new URL("../../lib/threads/thread.ts", import.meta.url);
  const program = `import { startThreads } from ${JSON.stringify(module.href)};
    const missing = new URL("no_such_thread.ts", ${JSON.stringify(module.href)});
    await startThreads(missing, [1]).catch(({ message, cause }) => console.log(message, cause));`;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-read", `data:text/javascript,${encodeURIComponent(program)}`],
    signal: AbortSignal.timeout(60_000),
  }).output();
  const text = new TextDecoder();
  assertEquals([code, text.decode(stderr)], [0, ""]);
  assertMatch(
    text.decode(stdout),
    /^A thread did not start TypeError: Module not found .*no_such_thread/,
  );
});

Deno.test("threads stay for as long as somebody holds them, and then end, busy ones when they are free", async () => {
  whenStarted("start");
  const before = await countThreads(), pool = new ThreadPool(SCRIPT, 3);
  const [a, b] = [pool.hold(), pool.hold()];
  (await pool.take())![Symbol.dispose]();
  await assertThreads(before + 1);
  await a[Symbol.asyncDispose]();
  await a[Symbol.asyncDispose]();
  const busy = await Promise.all([pool.take(), pool.take()]);
  await assertThreads(before + 2);
  busy[0]![Symbol.dispose]();
  await sleep(0); // It is given back.
  await b[Symbol.asyncDispose]();
  await assertThreads(before + 1);
  assertEquals(await busy[1]!.thread.ask(echo(1)), 1);
  busy[1]![Symbol.dispose]();
  await assertThreads(before);
  // Who holds nothing finds threads as before.
  (await pool.take())![Symbol.dispose]();
  await assertThreads(before + 1);
  await pool.hold()[Symbol.asyncDispose]();
  await assertThreads(before);
});
