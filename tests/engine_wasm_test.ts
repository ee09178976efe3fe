import { assertEquals, assertRejects } from "@std/assert";
import { createWasmEngine, type WasmEngineOptions } from "../lib/engine/wasm/engine.ts";
import {
  checkAccumulators,
  checkEveryLayer,
  engineCases,
  type EngineFactory,
} from "./engine_cases.ts";

const VARIANTS: Record<string, WasmEngineOptions> = {
  "relaxed SIMD": { variant: "relaxed" },
  "plain SIMD": { variant: "plain" },
};

for (const [variant, options] of Object.entries(VARIANTS)) {
  const create: EngineFactory = (model, program) =>
    createWasmEngine(model, { ...options, program });
  for (const testCase of engineCases()) {
    Deno.test(`the WebAssembly engine, ${variant}, gives the reference's values on every layer: ${testCase.name}`, () =>
      checkEveryLayer(create, testCase));
  }
  Deno.test(`the WebAssembly engine, ${variant}, gives the reference's accumulators on every layer`, () =>
    checkAccumulators(create, engineCases()[2]));
}

Deno.test("the WebAssembly engine refuses batches and layers that do not fit", async () => {
  const { model, batch } = engineCases()[0];
  await using engine = await createWasmEngine(model);
  await assertRejects(() => engine.run({ ...batch, count: 2 }), RangeError, "Expected 2 images");
  await assertRejects(
    () => engine.run({ data: new Uint8Array(31 * 32 * 3), count: 1, height: 31, width: 32 }),
    RangeError,
    "at least 32x32",
  );
  await assertRejects(() => engine.run(batch, { layer: "conv9_9" }), RangeError, "Unknown layer");
});

Deno.test("the WebAssembly engine runs overlapping calls one after the other", async () => {
  const { model, batch } = engineCases()[0];
  await using engine = await createWasmEngine(model);
  const alone = await engine.run(batch);
  const [first, , last] = await Promise.all([
    engine.run(batch),
    engine.run(batch, { layer: "conv1_1" }),
    engine.run(batch),
  ]);
  assertEquals(first, alone);
  assertEquals(last, alone);
});

Deno.test("the WebAssembly engine stops when its signal is aborted", async () => {
  const { model, batch } = engineCases()[0];
  const signal = AbortSignal.abort(new Error("no longer needed"));
  await assertRejects(() => createWasmEngine(model, { signal }), Error, "no longer needed");
  await using engine = await createWasmEngine(model);
  await assertRejects(() => engine.run(batch, { signal }), Error, "no longer needed");
});
