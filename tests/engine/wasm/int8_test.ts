import { assertEquals, assertRejects } from "@std/assert";
import type { Activations, Batch } from "../../../lib/engine/engine.ts";
import { compileProgram } from "../../../lib/engine/program.ts";
import { createWasmEngine, type WasmEngineOptions } from "../../../lib/engine/wasm/engine.ts";
import { layersOf } from "../../../lib/model/architecture.ts";
import type { Model } from "../../../lib/model/model.ts";
import {
  assertSame,
  checkAccumulators,
  checkEveryLayer,
  engineCases,
  type EngineFactory,
  rawLayer,
} from "../../support/engine_cases.ts";
import { randomBatch, randomModel } from "../../support/random_model.ts";
import { referenceActivations, type Weights } from "../../support/reference.ts";

const VARIANTS: Record<string, WasmEngineOptions> = {
  "relaxed SIMD": { variant: "relaxed", algorithm: "direct" },
  "plain SIMD": { variant: "plain", algorithm: "direct" },
  "Winograd": { algorithm: "winograd" },
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

Deno.test("the tried algorithms and two threads give the direct one's values at ImageNet's size", async () => {
  const { model } = randomModel({
    configuration: "B",
    input: { height: 224, width: 224, channels: 3 },
    convolutions: [64, 64, 64, 64, 128, 128, 32, 32, 32, 32],
    dense: [64, 10],
  });
  // Two images of this size do not go through the convolutions together.
  const batch = randomBatch(2, 226, 231, 3);
  const layers = ["pool1", "conv3_2", undefined];
  await using direct = await createWasmEngine(model, { algorithm: "direct", threads: 1 });
  const expected: Activations[] = [];
  for (const layer of layers) expected.push(await direct.run(batch, { layer }));
  for (const options of [{ threads: 1 }, { threads: 2 }, { variant: "plain" } as const]) {
    await using tuned = await createWasmEngine(model, { ...options, prepareFrom: 0 });
    for (const [index, layer] of layers.entries()) {
      assertSame(await tuned.run(batch, { layer }), expected[index]!);
    }
  }
});

Deno.test("Winograd's sums are exact up to the largest that the integer program allows", async () => {
  const { model, weights, batch } = largestSums();
  const program = rawLayer(compileProgram(model), "conv5_1");
  await using engine = await createWasmEngine(model, { algorithm: "winograd", program });
  const actual = await engine.run(batch, { layer: "conv5_1" });
  assertSame(actual, referenceActivations(program, weights, batch, "conv5_1"));
  const largest = Math.max(...Array.from(actual.data, Math.abs));
  assertEquals(largest, 127 * 127 * 9 * 3696);
});

/**
 * A constant image and filters that only have a centre keep all activations at 127 up to conv5_1,
 * whose inner dimension is the largest that the program accepts and whose filters are all 127, all
 * -127, or of changing sign.
 */
function largestSums(): { model: Model; weights: Weights; batch: Batch } {
  const { model, weights } = randomModel({
    configuration: "A",
    input: { height: 48, width: 48, channels: 3 },
    convolutions: [16, 16, 16, 16, 16, 3696, 16, 16],
    dense: [],
  });
  for (const { name, filterSize, inChannels } of layersOf(model.architecture)) {
    const centre = (i: number) =>
      Math.floor(i / inChannels) % (filterSize[0] * filterSize[1]) === 4;
    const signs = (i: number) => [1, -1, i % 2 ? 1 : -1, i % 3 ? 1 : -1];
    const data = weights.get(name)!;
    data.forEach((_, i) =>
      data[i] = name !== "conv5_1"
        ? (centre(i) ? 127 : 0)
        : 127 * signs(i)[Math.floor(i / (9 * inChannels)) % 4]
    );
  }
  const parameters = model.parameters.map(({ name, scale, bias }) => ({
    name,
    scale: scale.fill(scale[0]),
    bias: bias.fill(0),
  }));
  const batch = { data: new Uint8Array(48 * 48 * 3).fill(255), count: 1, height: 48, width: 48 };
  return { model: { ...model, parameters }, weights, batch };
}

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

Deno.test("the WebAssembly engine runs on one thread where memory cannot be shared", async () => {
  const { model, batch } = engineCases()[5];
  await using shared = await createWasmEngine(model, { threads: 2, prepareFrom: 0 });
  await using alone = await createWasmEngine(model, { threads: 2, shared: false, prepareFrom: 0 });
  assertEquals([shared.threads, alone.threads], [2, 1]);
  assertEquals(await alone.run(batch), await shared.run(batch));
});

Deno.test("the WebAssembly engine divides a large batch", async () => {
  const { model, batch } = engineCases()[0];
  await using engine = await createWasmEngine(model);
  const size = batch.data.length, count = 600;
  const data = new Uint8Array(count * size);
  const { data: noise } = randomBatch(3, 32, 32, 3);
  for (let n = 0; n < count; n++) {
    data.set(noise.subarray(n % 3 * size, (n % 3 + 1) * size), n * size);
  }
  const three = await engine.run({ ...batch, data: noise, count: 3 });
  const many = await engine.run({ ...batch, data, count });
  assertEquals(many.shape, [count, 1, 1, 10]);
  assertEquals(many.data, Int32Array.from({ length: count * 10 }, (_, i) => three.data[i % 30]));
  assertEquals(many.scale, Float64Array.from({ length: count }, (_, n) => three.scale[n % 3]));
});

Deno.test("a profile names every layer, its algorithm and its operations", async () => {
  const { model, batch } = engineCases()[0];
  await using engine = await createWasmEngine(model);
  const profile = await engine.profile!(batch);
  const { layers } = compileProgram(model);
  assertEquals(profile.map(({ layer }) => layer), layers.map(({ name }) => name));
  assertEquals(profile[0].operations, 2 * 32 * 32 * 27 * 16);
  assertEquals(profile[1].operations, 2 * 16 * 16 * 9 * 16 * 16);
  assertEquals(profile[1].candidate, "winograd");
  assertEquals(profile.at(-1)!.operations, 2 * 32 * 10);
});

Deno.test("the WebAssembly engine stops when its signal is aborted", async () => {
  const { model, batch } = engineCases()[0];
  const signal = AbortSignal.abort(new Error("no longer needed"));
  await assertRejects(() => createWasmEngine(model, { signal }), Error, "no longer needed");
  await using engine = await createWasmEngine(model);
  await assertRejects(() => engine.run(batch, { signal }), Error, "no longer needed");
});
