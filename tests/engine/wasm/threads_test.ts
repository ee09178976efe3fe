import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import { Worker } from "node:worker_threads";
import { networkOperations } from "../../../lib/engine/geometry.ts";
import { compileProgram } from "../../../lib/engine/program.ts";
import { createWasmEngine, type WasmEngineOptions } from "../../../lib/engine/wasm/engine.ts";
import { threadsFor } from "../../../lib/engine/wasm/executor.ts";
import { Memory } from "../../../lib/engine/wasm/memory.ts";
import { ENGINE_OPTIONS } from "../../../lib/options.ts";
import type { Engine } from "../../../lib/engine/engine.ts";
import type { Model } from "../../../lib/model/model.ts";
import { BackendUnavailableError } from "../../../lib/errors.ts";
import { takeTurn } from "../../../lib/threads/turn.ts";
import { assertThreads, countThreads } from "../../support/count_threads.ts";
import { randomBatch, randomModel } from "../../support/random_model.ts";
import { averageCases, checkEveryLayer, engineCases } from "../../support/engine_cases.ts";

/** Threads are there before the first run. */
const AT_LOAD = { prepareFrom: 0 };

for (const algorithm of ["direct", "winograd"] as const) {
  for (const testCase of [...engineCases().slice(2, 4), ...averageCases()]) {
    Deno.test(`three threads give the reference's values on every layer, ${algorithm}: ${testCase.name}`, () =>
      checkEveryLayer(
        (model) => createWasmEngine(model, { ...AT_LOAD, threads: 3, algorithm }),
        testCase,
      ));
  }
}

Deno.test("threads give the same values run after run", async () => {
  const { model, batch } = engineCases()[4];
  await using alone = await createWasmEngine(model, { threads: 1 });
  await using pool = await createWasmEngine(model, { ...AT_LOAD, threads: 4 });
  assertEquals(pool.threads, 4);
  // Another size and another last layer lay the same memory out differently.
  const larger = randomBatch(2, 64, 50, 3);
  const runs = [[batch], [larger], [batch, { layer: "conv4_2" }]] as const;
  const expected = [];
  for (const [images, options] of runs) expected.push(await alone.run(images, options));
  for (let i = 0; i < 150; i++) {
    const [images, options] = runs[i % 3];
    assertEquals((await pool.run(images, options)).data, expected[i % 3].data);
  }
});

Deno.test("threads start once there is enough to do, and take over; values stay the same", async () => {
  const { model, batch } = engineCases()[4]!;
  await using alone = await createWasmEngine(model, { threads: 1 });
  const expected = await alone.run(batch);
  const { layers, input } = compileProgram(model);
  const each = batch.count * networkOperations({ layers, input }, batch);
  await withWorkers(model, { prepareFrom: 2.5 * each }, async (engine, workers, ready) => {
    assertEquals(engine.threads, 2);
    for (let run = 1; run <= 2; run++) assertEquals(await engine.run(batch), expected);
    // By then threads that had been asked for would be there.
    await import("../../../lib/threads/kernel_threads.ts");
    for (let turn = 0; turn < 10; turn++) await takeTurn(undefined);
    assertEquals(workers.length, 0);
    while (ready.length < 2) assertEquals(await engine.run(batch), expected);
    for (let run = 0; run < 20; run++) assertEquals(await engine.run(batch), expected);
    await workers[0]!.terminate();
    await assertRejects(() => engine.run(batch), BackendUnavailableError, "a thread failed");
  });
});

Deno.test("an engine that is disposed of while its threads start leaves none", async () => {
  const { model, batch } = engineCases()[0]!;
  const before = await countThreads();
  const engine = await createWasmEngine(model, { threads: 3, prepareFrom: 1 });
  await engine.run(batch);
  await engine[Symbol.asyncDispose]();
  await assertThreads(before);
});

Deno.test("a pool stops at an aborted signal and runs again", async () => {
  const { model, batch } = engineCases()[5];
  await using pool = await createWasmEngine(model, { ...AT_LOAD, threads: 2 });
  const expected = await pool.run(batch);
  const controller = new AbortController();
  const stopped = pool.run(batch, { signal: controller.signal });
  await Promise.resolve();
  controller.abort(new Error("no longer needed"));
  await assertRejects(() => stopped, Error, "no longer needed");
  assertEquals((await pool.run(batch)).data, expected.data);
});

Deno.test("a disposed engine leaves no threads", async () => {
  const { model, batch } = engineCases()[0];
  const before = await countThreads();
  for (let n = 0; n < 2; n++) {
    await using engine = await createWasmEngine(model, { ...AT_LOAD, threads: 3 });
    await engine.run(batch);
  }
  await assertThreads(before);
});

Deno.test("auto is as many threads as there are processors, for a network that has work for them", () => {
  const { model } = engineCases()[4]!, { layers, ...program } = compileProgram(model);
  const shared = new Memory(1 << 16, true), own = new Memory(1 << 16, false);
  const large = { ...program, layers, input: { ...program.input, height: 4096, width: 4096 } };
  assertGreater(networkOperations(large), 2e9);
  const real = Object.getOwnPropertyDescriptor(Navigator.prototype, "hardwareConcurrency")!;
  try {
    for (const [processors, threads] of [[1, 1], [6, 6], [100_000, ENGINE_OPTIONS.threads.max]]) {
      Object.defineProperty(Navigator.prototype, "hardwareConcurrency", {
        ...real,
        get: () => processors,
      });
      assertEquals(threadsFor(large, shared, "auto"), threads);
      assertEquals(threadsFor(compileProgram(model), shared, "auto"), 1);
      assertEquals([threadsFor(large, own, "auto"), threadsFor(large, own, 3)], [1, 1]);
      assertEquals(threadsFor(large, shared, 3), 3);
    }
  } finally {
    Object.defineProperty(Navigator.prototype, "hardwareConcurrency", real);
  }
});

Deno.test("threads that are not a whole number from 1 on are refused", async () => {
  const { model } = engineCases()[0];
  for (const threads of [0, -1, 1.5, NaN, 1000]) {
    await assertRejects(() => createWasmEngine(model, { threads }), RangeError, `found ${threads}`);
  }
});

/** Runs a program without any permission that makes an engine of two threads. */
async function runProgram(lines: string, before: string = ""): Promise<string> {
  const here = new URL("../../../", import.meta.url);
  const source = `
    import { createWasmEngine } from "${here}lib/engine/wasm/engine.ts";
    import { engineCases } from "${here}tests/support/engine_cases.ts";
    ${before}
    const { model, batch } = engineCases()[0];
    const engine = await createWasmEngine(model, { threads: 2, prepareFrom: 0 });
    ${lines}`;
  const config = `--config=${new URL("deno.json", here).pathname}`;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", config, `data:text/typescript,${encodeURIComponent(source)}`],
    signal: AbortSignal.timeout(60_000),
  }).output();
  const text = new TextDecoder();
  assertEquals(code, 0, text.decode(stderr));
  return text.decode(stdout).trim();
}

Deno.test("a program that forgets to dispose its threads still ends", async () => {
  assertEquals(await runProgram("await engine.run(batch); console.log(engine.threads);"), "2");
});

Deno.test("where there are no workers, one thread computes", async () => {
  const output = await runProgram(
    "const { data } = await engine.run(batch); console.log(engine.threads, data.length);",
    "process.getBuiltinModule = () => undefined; globalThis.Worker = undefined;",
  );
  assertEquals(output, "1 10");
});

/** Makes an engine of two threads, and keeps its workers, and those of them that are ready. */
async function withWorkers(
  model: Model,
  options: WasmEngineOptions,
  test: (engine: Engine, workers: readonly Worker[], ready: readonly Worker[]) => Promise<void>,
): Promise<void> {
  const workers: Worker[] = [], ready: Worker[] = [];
  const { unref } = Worker.prototype;
  // Every worker is unreferenced when it starts.
  Worker.prototype.unref = function (): void {
    if (!workers.includes(this)) this.once("message", () => ready.push(this));
    workers.push(this);
    unref.call(this);
  };
  try {
    await using engine = await createWasmEngine(model, { ...options, threads: 2 });
    await test(engine, workers, ready);
  } finally {
    Worker.prototype.unref = unref;
  }
}

for (const call of ["run", "profile"] as const) {
  Deno.test(`a thread that dies fails the ${call} under way, and the next run has other threads`, async () => {
    const { model, batch } = engineCases()[0]!;
    await withWorkers(model, AT_LOAD, async (engine, workers) => {
      const expected = await engine.run(batch);
      await workers[0]!.terminate();
      await assertRejects(() => engine[call]!(batch), BackendUnavailableError, "a thread failed");
      assertEquals(await engine.run(batch), expected);
      assertEquals(engine.threads, 2);
    });
  });
}

Deno.test("while dead threads cannot be replaced, every run fails, and none gives another's answer", async () => {
  const { model, batch } = engineCases()[0]!;
  const { compile } = WebAssembly;
  await withWorkers(model, AT_LOAD, async (engine, workers) => {
    const expected = await engine.run(batch);
    await engine.run({ ...batch, data: batch.data.map((byte) => 255 - byte) });
    await workers[0]!.terminate();
    try {
      WebAssembly.compile = () => Promise.reject(new RangeError("out of memory"));
      for (let n = 0; n < 3; n++) {
        await assertRejects(() => engine.run(batch), BackendUnavailableError);
      }
    } finally {
      WebAssembly.compile = compile;
    }
    await assertRejects(() => engine.run(batch), BackendUnavailableError);
    assertEquals(await engine.run(batch), expected);
  });
});

Deno.test("an engine whose threads can be started only later has memory for them", async () => {
  const { model } = randomModel({
    configuration: "A",
    input: { height: 32, width: 32, channels: 3 },
    convolutions: [160, 64, 64, 64, 64, 64, 64, 64],
    dense: [8, 4],
  }, 3);
  const small = randomBatch(2, 64, 64, 3), large = randomBatch(1, 900, 900, 3);
  for (const algorithm of ["direct", "winograd"] as const) {
    const options = { ...AT_LOAD, tune: "off", algorithm } as const;
    await using alone = await createWasmEngine(model, { ...options, threads: 1 });
    const expected = await alone.run(small);
    const { unref } = Worker.prototype;
    Worker.prototype.unref = () => {
      throw new Error("There are no threads now");
    };
    const starting = createWasmEngine(model, { ...options, threads: 4 });
    await using engine = await starting.finally(() => Worker.prototype.unref = unref);
    assertEquals(engine.threads, 1);
    await engine.run(large, { layer: "conv1_1" }); // Its memory is given back, with new threads.
    assertEquals(engine.threads, 4);
    for (let n = 0; n < 5; n++) assertEquals(await engine.run(small), expected);
  }
});
