import { assert, assertEquals, assertRejects } from "@std/assert";
import { createWasmEngine } from "../../../lib/engine/wasm/engine.ts";
import { randomBatch, randomModel } from "../../support/random_model.ts";

/** A network whose first block needs 640 bytes of values for each pixel. */
const { model } = randomModel({
  configuration: "A",
  input: { height: 32, width: 32, channels: 3 },
  convolutions: [160, 16, 16, 16, 16, 16, 16, 16],
  dense: [8, 4],
}, 3);
const MIB = 2 ** 20;

for (const threads of [1, 2]) {
  Deno.test(`a very large picture's memory is given back, and answers stay the same: ${threads} threads`, async () => {
    await using engine = await createWasmEngine(model, { threads, prepareFrom: 0, tune: "off" });
    const small = randomBatch(2, 40, 40, 3), large = randomBatch(1, 900, 900, 3);
    const before = await engine.run(small), held = engine.bytesResident;
    // 900 x 900 x 640 bytes are more than the 256 MiB that an engine may keep.
    await engine.run(large, { layer: "conv1_1" });
    assert(engine.bytesResident < held + 8 * MIB, `${engine.bytesResident} after ${held}`);
    assertEquals(await engine.run(small), before);
    const aborted = AbortSignal.abort();
    await assertRejects(() => engine.run(large, { signal: aborted, layer: "conv1_1" }));
    assertEquals(await engine.run(small), before);
    assertEquals(engine.threads, threads);
  });
}

Deno.test("an engine that cannot get a smaller memory answers on, with the large one", async () => {
  await using engine = await createWasmEngine(model, { threads: 2, prepareFrom: 0, tune: "off" });
  const small = randomBatch(2, 40, 40, 3), large = randomBatch(1, 900, 900, 3);
  const before = await engine.run(small);
  const { compile } = WebAssembly;
  try {
    WebAssembly.compile = () => Promise.reject(new RangeError("out of memory"));
    await engine.run(large, { layer: "conv1_1" });
  } finally {
    WebAssembly.compile = compile;
  }
  assert(engine.bytesResident > 256 * MIB, `${engine.bytesResident}`);
  assertEquals(await engine.run(small), before);
});

Deno.test("what an engine says that it holds is its memory, larger or smaller", async () => {
  await using engine = await createWasmEngine(model, { threads: 1, tune: "off" });
  await engine.run(randomBatch(1, 500, 500, 3), { layer: "conv1_1" });
  // 500 x 500 x 640 bytes of values, which may be kept.
  assert(engine.bytesResident > 150 * MIB, `${engine.bytesResident}`);
  await engine[Symbol.asyncDispose]();
  assertEquals([engine.bytesResident, engine.threads], [0, 1]);
});
