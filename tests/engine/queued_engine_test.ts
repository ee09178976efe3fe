import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Activations, Batch, Engine, RunOptions } from "../../lib/engine/engine.ts";
import type { LayerOutput } from "../../lib/engine/geometry.ts";
import { compileProgram } from "../../lib/engine/program.ts";
import { QueuedEngine } from "../../lib/engine/queued_engine.ts";
import { createWasmEngine } from "../../lib/engine/wasm/engine.ts";
import { createWebgpuEngine } from "../../lib/engine/webgpu/engine.ts";
import { DisposedError } from "../../lib/errors.ts";
import type { Model } from "../../lib/model/model.ts";
import { engineCases, layerNames } from "../support/engine_cases.ts";
import { gpuTest } from "../support/webgpu.ts";

const { model, batch } = engineCases()[0];
const LAYERS = layerNames(compileProgram(model)).join(", ");
const TOO_SMALL = "Expected images of at least 32x32: found ";
const NOT_BYTES = "Expected at least 1 image of ";

interface Misuse {
  readonly batch?: Partial<Batch>;
  readonly options?: RunOptions;
  readonly error: new (...args: never[]) => Error;
  readonly message: string;
}

/** What engines refuse, and how. */
const MISUSE: Readonly<Record<string, Misuse>> = {
  "too low": { batch: { height: 31 }, error: RangeError, message: `${TOO_SMALL}31x32` },
  "too narrow": { batch: { width: 31 }, error: RangeError, message: `${TOO_SMALL}32x31` },
  "no size": { batch: { height: NaN }, error: RangeError, message: `${TOO_SMALL}NaNx32` },
  "no images": {
    batch: { count: 0, data: new Uint8Array(0) },
    error: RangeError,
    message: `${NOT_BYTES}32x32x3 bytes: found 0 bytes for 0`,
  },
  "half an image": {
    batch: { count: 1.5, data: new Uint8Array(1.5 * 32 * 32 * 3) },
    error: RangeError,
    message: `${NOT_BYTES}32x32x3 bytes: found 4608 bytes for 1.5`,
  },
  "too few bytes": {
    batch: { count: 2 },
    error: RangeError,
    message: `${NOT_BYTES}32x32x3 bytes: found 3072 bytes for 2`,
  },
  "too many bytes": {
    batch: { data: new Uint8Array(2 * 32 * 32 * 3) },
    error: RangeError,
    message: `${NOT_BYTES}32x32x3 bytes: found 6144 bytes for 1`,
  },
  "an unknown layer": {
    options: { layer: "conv9_9" },
    error: RangeError,
    message: `Unknown layer "conv9_9": expected one of ${LAYERS}`,
  },
  "no layer's name": {
    options: { layer: "" },
    error: RangeError,
    message: `Unknown layer "": expected one of ${LAYERS}`,
  },
  "an aborted signal": {
    options: { signal: AbortSignal.abort(new SyntaxError("no longer needed")) },
    error: SyntaxError,
    message: "no longer needed",
  },
};

async function checkMisuse(create: (model: Model) => Promise<Engine>): Promise<void> {
  const engine = await create(model);
  const expected = await engine.run(batch);
  for (const [what, misuse] of Object.entries(MISUSE)) {
    const wrong = { ...batch, ...misuse.batch };
    const error = await assertRejects(() => engine.run(wrong, misuse.options));
    assertEquals((error as Error).message, misuse.message, what);
    assert(error instanceof misuse.error, `${what}: ${error}`);
    if (misuse.batch) {
      assertEquals(`${await assertRejects(() => engine.profile!(wrong))}`, `${error}`, what);
    }
  }
  await assertRejects(() => engine.runLayers(batch, []), RangeError, "at least one layer");
  await assertRejects(() => engine.runLayers(batch, ["fc8", "fc9"]), RangeError, '"fc9"');
  assertEquals(await engine.run(batch), expected);

  const running = [engine.run(batch), engine.run(batch, { layer: "pool5" })];
  await engine[Symbol.asyncDispose]();
  assertEquals((await Promise.all(running)).map(({ shape }) => shape[3]), [10, 32]);
  for (const use of [() => engine.run(batch), () => engine.profile!(batch)]) {
    const error = await assertRejects(use, DisposedError);
    assertEquals(error.message, "This engine was disposed: load another one");
  }
  assertEquals(engine.bytesResident, 0);
  await engine[Symbol.asyncDispose]();
}

Deno.test("misuse of the WebAssembly engine gives the errors of both", () =>
  checkMisuse(createWasmEngine));
gpuTest(
  "misuse of the WebGPU engine gives the errors of both",
  () => checkMisuse(createWebgpuEngine),
);

/** Gives the number of a run's part and the images of it; takes two at once. */
class CountingEngine extends QueuedEngine {
  readonly backend = "wasm";
  readonly precision = "int8";
  readonly threads = 1;
  readonly device = "none";
  readonly bytesResident = 0;
  freed = 0;
  parts = 0;
  running = 0;
  afterPart: (parts: number) => void = () => {};

  constructor() {
    super(compileProgram(model));
  }
  protected async runPart(batch: Batch, outputs: readonly LayerOutput[]): Promise<Activations[]> {
    assertEquals(++this.running, 1);
    await new Promise((resolve) => setTimeout(resolve, 1));
    this.running--;
    this.afterPart(++this.parts);
    const size = batch.data.length / batch.count, count = Math.min(2, batch.count);
    const scale = new Float64Array(count).fill(this.parts);
    const first = Int32Array.from({ length: count }, (_, n) => batch.data[n * size]);
    return outputs.map(({ name }) => ({
      layer: name,
      shape: [count, 1, 1, 1],
      data: first.map((value) => name === "fc8" ? value : -value),
      scale,
    }));
  }
  protected profileBatch(): Promise<never> {
    return Promise.reject(new SyntaxError("no profile"));
  }
  protected free(): Promise<void> {
    assertEquals(this.running, 0);
    this.freed++;
    return Promise.resolve();
  }
}

const FIVE: Batch = {
  ...batch,
  count: 5,
  data: new Uint8Array(5 * 32 * 32 * 3).map((_, i) => Math.floor(i / (32 * 32 * 3))),
};

Deno.test("a batch is run in parts, which are put together in their order", async () => {
  await using engine = new CountingEngine();
  assertEquals(await engine.run(FIVE), {
    layer: "fc8",
    shape: [5, 1, 1, 1],
    data: Int32Array.of(0, 1, 2, 3, 4),
    scale: Float64Array.of(1, 1, 2, 2, 3),
  });
});

Deno.test("the layers of a run are put together each for itself, and given as they are asked for", async () => {
  await using engine = new CountingEngine();
  const [fc8, pool1, again] = await engine.runLayers(FIVE, ["fc8", "pool1", "fc8"]);
  assertEquals(pool1, {
    layer: "pool1",
    shape: [5, 1, 1, 1],
    data: Int32Array.of(0, -1, -2, -3, -4),
    scale: Float64Array.of(1, 1, 2, 2, 3),
  });
  assertEquals([...fc8!.data], [0, 1, 2, 3, 4]);
  assertEquals(again, fc8);
  assertEquals(engine.parts, 3);
});

Deno.test("an aborted run ends between two parts of its batch", async () => {
  await using engine = new CountingEngine();
  const controller = new AbortController();
  engine.afterPart = (parts) => parts === 2 && controller.abort(new SyntaxError("enough"));
  await assertRejects(() => engine.run(FIVE, { signal: controller.signal }), SyntaxError, "enough");
  assertEquals(engine.parts, 2);
});

Deno.test("runs follow one another, whatever becomes of those before, and disposal follows them", async () => {
  const engine = new CountingEngine();
  const calls = [engine.run(FIVE), engine.profile(FIVE), engine.run(FIVE)];
  const disposals = [engine[Symbol.asyncDispose](), engine[Symbol.asyncDispose]()];
  const outcomes = await Promise.allSettled(calls);
  assertEquals(outcomes.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  await Promise.all(disposals);
  assertEquals([engine.parts, engine.freed], [6, 1]);
});
