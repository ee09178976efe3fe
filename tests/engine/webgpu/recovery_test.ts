/**
 * A device that is lost, and comes back or does not.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import "../../../lib/entries/whole.ts";
import { classifierOn } from "../../../lib/classifier.ts";
import { createEngine } from "../../../lib/engine/create.ts";
import type { Engine } from "../../../lib/engine/engine.ts";
import { compileProgram } from "../../../lib/engine/program.ts";
import { createWasmEngine } from "../../../lib/engine/wasm/engine.ts";
import { createWebgpuEngine, type WebgpuOptions } from "../../../lib/engine/webgpu/engine.ts";
import { BackendUnavailableError, DisposedError } from "../../../lib/errors.ts";
import type { Architecture } from "../../../lib/model/architecture.ts";
import type { Model } from "../../../lib/model/model.ts";
import { breakable, type BreakableGpu } from "../../support/breakable_gpu.ts";
import { assertSame } from "../../support/engine_cases.ts";
import { randomBatch, randomModel } from "../../support/random_model.ts";
import { referenceActivations } from "../../support/reference.ts";
import { gpuTest } from "../../support/webgpu.ts";

const SMALL: Architecture = {
  configuration: "A",
  input: { height: 32, width: 32, channels: 3 },
  convolutions: [16, 16, 16, 16, 16, 16, 16, 16],
  dense: [16, 16, 10],
};
const { model, weights } = randomModel(SMALL, 11);
const batch = randomBatch(1, 32, 32, 3);
const expected = referenceActivations(compileProgram(model), weights, batch);

/** Five requests, as by default, but at once. */
const SOON: WebgpuOptions = { recoveryDelaysMs: [1, 1, 1, 1, 1] };
/** A loss that is not over before the test lets it. */
const NEVER: WebgpuOptions = { recoveryDelaysMs: [2 ** 30] };

/** Requests without end, for as long as the test keeps the adapter away. */
const OFTEN: WebgpuOptions = { recoveryDelaysMs: Array(10_000).fill(20) };

/** Waits for something that comes by itself. */
async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await met()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("It did not come");
}

/** Loses the device under a run. */
async function loseUnder(gpu: BreakableGpu, engine: Engine): Promise<void> {
  const running = engine.run(batch);
  gpu.lose();
  const error = await assertRejects(
    () => running,
    BackendUnavailableError,
    "the device was lost during the run",
  );
  assert(error.code === "backend-lost" && error.retryable);
}

gpuTest("a run whose device is lost fails and can be run again, with the same bits", async () => {
  using gpu = breakable();
  await using engine = await createWebgpuEngine(model, SOON);
  for (let i = 0; i < 3; i++) {
    assertSame(await engine.run(batch), expected);
    await loseUnder(gpu, engine);
  }
  assertSame(await engine.run(batch), expected);
  assertEquals(gpu.requests, 4);
});

gpuTest("a device that is lost while nothing runs is replaced, and no run fails", async () => {
  using gpu = breakable();
  await using engine = await createWebgpuEngine(model, SOON);
  gpu.lose();
  await until(() => gpu.requests === 2);
  assertSame(await engine.run(batch), expected);
  assert((await engine.profile!(batch)).length > 0);
});

gpuTest("runs wait for an adapter that is away three times", async () => {
  using gpu = breakable();
  await using engine = await createWebgpuEngine(model, SOON);
  gpu.away = 3;
  await loseUnder(gpu, engine);
  const waiting = [engine.run(batch), engine.run(batch)];
  assertEquals(engine.bytesResident, 0);
  for (const result of await Promise.all(waiting)) assertSame(result, expected);
  assertEquals(gpu.requests, 5);
});

gpuTest(
  "a device without the model is none: weights that cannot be read are read again",
  async () => {
    using gpu = breakable();
    let loads = 0;
    const unreadable: Model = {
      ...model,
      async *weights() {
        loads++;
        if (loads === 2 || loads === 3) throw new Error("the disk is away as well");
        yield* model.weights();
      },
    };
    await using engine = await createWebgpuEngine(unreadable, SOON);
    await loseUnder(gpu, engine);
    assertSame(await engine.run(batch), expected);
    assertEquals(loads, 4);
  },
);

gpuTest("a device that is lost again while it is taken over is replaced", async () => {
  using gpu = breakable();
  let loads = 0;
  const fragile: Model = {
    ...model,
    async *weights() {
      if (++loads === 2) gpu.lose();
      yield* model.weights();
    },
  };
  await using engine = await createWebgpuEngine(fragile, SOON);
  await loseUnder(gpu, engine);
  assertSame(await engine.run(batch), expected);
  assertEquals(loads, 3);
});

gpuTest("after the last request the device is lost for good, for this engine only", async () => {
  using gpu = breakable();
  const engine = await createWebgpuEngine(model, SOON);
  gpu.away = 5;
  await loseUnder(gpu, engine);
  for (let i = 0; i < 2; i++) {
    const error = await assertRejects(
      () => engine.run(batch),
      BackendUnavailableError,
      "and did not come back. Load the model again",
    );
    assert(error.code === "backend-lost" && !error.retryable);
    assertEquals(await classifierOn(model, engine).lost, error);
  }
  assertEquals(gpu.requests, 6);
  await using other = await createWebgpuEngine(model, SOON);
  assertSame(await other.run(batch), expected);
  await engine[Symbol.asyncDispose]();
  assertSame(await other.run(batch), expected);
});

gpuTest("two engines on one lost device come back on one new device", async () => {
  using gpu = breakable();
  await using engine = await createWebgpuEngine(model, SOON);
  await using other = await createWebgpuEngine(model, SOON);
  gpu.away = 2;
  const running = [engine, other].map((each) => each.run(batch));
  gpu.lose();
  for (const result of await Promise.allSettled(running)) {
    assert(result.status === "rejected" && result.reason.retryable);
  }
  const results = await Promise.all([engine, other, engine].map((each) => each.run(batch)));
  for (const result of results) assertSame(result, expected);
  // Each may have asked in vain on its own.
  assert(gpu.requests <= 5, `${gpu.requests}`);
});

gpuTest("the signal that could end the loading has no say afterwards", async () => {
  using gpu = breakable();
  const loading = new AbortController();
  await using engine = await createWebgpuEngine(model, { ...SOON, signal: loading.signal });
  loading.abort();
  await loseUnder(gpu, engine);
  assertSame(await engine.run(batch), expected);
});

gpuTest("disposal ends the waiting for a device", async () => {
  using gpu = breakable();
  const engine = await createWebgpuEngine(model, NEVER);
  await loseUnder(gpu, engine);
  const waiting = [engine.run(batch), engine.run(batch)];
  const settled = Promise.allSettled(waiting);
  await engine[Symbol.asyncDispose]();
  for (const result of await settled) {
    assert(result.status === "rejected" && result.reason instanceof DisposedError);
  }
  await using other = await createWebgpuEngine(model);
  assertSame(await other.run(batch), expected);
});

gpuTest("a run's signal ends its waiting for a device, and nobody else's", async () => {
  using gpu = breakable();
  await using engine = await createWebgpuEngine(model, OFTEN);
  gpu.away = Infinity;
  await loseUnder(gpu, engine);
  const client = new AbortController();
  const given = engine.run(batch, { signal: client.signal });
  const kept = engine.run(batch);
  client.abort(new SyntaxError("gone"));
  await assertRejects(() => given, SyntaxError, "gone");
  gpu.away = 0;
  assertSame(await kept, expected);
});

gpuTest("a substitute runs while the device is away, and goes when it is back", async () => {
  using gpu = breakable();
  let loads = 0;
  const substitute = (): Promise<Engine> => {
    loads++;
    return createWasmEngine(model);
  };
  await using engine = await createWebgpuEngine(model, { ...OFTEN, substitute });
  const { device } = engine;
  gpu.away = Infinity;
  await loseUnder(gpu, engine);
  for (let i = 0; i < 2; i++) {
    assertSame(await engine.run(batch), expected);
    assertEquals(engine.backend, "wasm");
    assert(engine.device.startsWith("WebAssembly"));
  }
  await assertRejects(
    () => engine.run(batch, { signal: AbortSignal.abort(new SyntaxError("gone")) }),
    SyntaxError,
  );
  assert((await engine.profile!(batch)).length > 0);
  gpu.away = 0;
  await until(async () => {
    assertSame(await engine.run(batch), expected);
    return engine.backend === "webgpu";
  });
  assertEquals([engine.device, loads], [device, 1]);
});

gpuTest("a substitute stays if the device does not come back", async () => {
  using gpu = breakable();
  const substitute = (): Promise<Engine> => createWasmEngine(model);
  await using engine = await createWebgpuEngine(model, { ...SOON, substitute });
  gpu.away = 5;
  await loseUnder(gpu, engine);
  await until(() => gpu.requests === 6);
  assertSame(await engine.run(batch), expected);
  assertEquals([engine.backend, engine.lost], ["wasm", undefined]);
});

gpuTest("auto falls over to WebAssembly, and takes no software adapter for the GPU", async () => {
  using gpu = breakable();
  gpu.isFallback = false;
  const loading = new AbortController();
  const options = { tune: "off", signal: loading.signal } as const;
  await using engine = await createEngine(model, options);
  loading.abort();
  assertEquals(engine.backend, "webgpu");
  // As where a driver restarts.
  gpu.isFallback = true;
  const { requests } = gpu;
  await loseUnder(gpu, engine);
  await until(() => gpu.requests > requests);
  assertSame(await engine.run(batch), expected);
  assertEquals(engine.backend, "wasm");
  gpu.isFallback = false;
  await until(async () => {
    assertSame(await engine.run(batch), expected);
    return engine.backend === "webgpu";
  });
});

gpuTest(
  "auto goes on in WebAssembly where the GPU gives no device, which is an error to who names it",
  async () => {
    using gpu = breakable();
    gpu.isFallback = false;
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = () => Promise.reject(new TypeError("no device is left"));
    try {
      await using engine = await createEngine(model);
      assertEquals(engine.backend, "wasm");
      assertSame(await engine.run(batch), expected);
      const named = () => createEngine(model, { backend: "webgpu" });
      await assertRejects(named, BackendUnavailableError, "no device is left");
    } finally {
      GPUAdapter.prototype.requestDevice = requestDevice;
    }
  },
);

gpuTest("auto asks where there may be a GPU, and takes no software adapter", async () => {
  using gpu = breakable();
  gpu.isFallback = true;
  const { statSync } = Deno;
  Deno.statSync = (path) => statSync(path === "/dev/dri" ? "/dev" : path);
  try {
    await using engine = await createEngine(model);
    assertEquals([engine.backend, gpu.requests], ["wasm", 1]);
  } finally {
    Deno.statSync = statSync;
  }
});
