/** The average of a map: by hand, in parts of a batch, and from a model's file. */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { Batch, Engine } from "../../lib/engine/engine.ts";
import { networkOperations } from "../../lib/engine/geometry.ts";
import { compileProgram } from "../../lib/engine/program.ts";
import { concatenate, imagesOf } from "../../lib/engine/queued_engine.ts";
import { createWasmEngine } from "../../lib/engine/wasm/engine.ts";
import { createWebgpuEngine } from "../../lib/engine/webgpu/engine.ts";
import { MemoryFile } from "../../lib/io/atomic_file.ts";
import { openModel } from "../../lib/model/file.ts";
import type { Model } from "../../lib/model/model.ts";
import { ModelWriter } from "../../lib/model/writer.ts";
import { assertSame, averageCases, checkEveryLayer } from "../support/engine_cases.ts";
import { floatEngine } from "../support/float_engine.ts";
import { randomBatch, randomModel } from "../support/random_model.ts";
import { referenceActivations, type Weights } from "../support/reference.ts";
import { gpuTest } from "../support/webgpu.ts";

/** Bytes of the image's quarters, each of 32x32 pixels. */
const QUARTERS = [255, 0, 128, 64];
/** What they are as activations: 127 * byte / 255, rounded. */
const ACTIVATIONS = [127, 0, 64, 32];

/**
 * A network whose convolutions hand on what they are given: their filters only have a center, which
 * is 1 in real numbers. The last one's second channel is the negative of the first. The logit is
 * half of the average.
 */
function handingOn(): { model: Model; weights: Weights; batch: Batch } {
  const { model, weights } = randomModel({
    configuration: "A",
    input: { height: 64, width: 64, channels: 1 },
    convolutions: [1, 1, 1, 1, 1, 1, 1, 2],
    pooling: "average",
    dense: [1],
  });
  for (const [name, filter] of weights) {
    filter.fill(0);
    if (name === "fc8") filter.fill(127);
    else filter[4] = 127;
    if (name === "conv5_2") filter[9 + 4] = -127;
  }
  const preprocessing = { ...model.preprocessing, mean: [0], std: [1] };
  const parameters = model.parameters.map(({ name, scale, bias }) => ({
    name,
    scale: scale.fill(name === "fc8" ? 0.5 / 127 : 1 / 127),
    bias: bias.fill(0),
  }));
  const quarterOf = (pixel: number): number => 2 * (pixel >> 11) + ((pixel >> 5) & 1);
  const data = Uint8Array.from({ length: 64 * 64 }, (_, pixel) => QUARTERS[quarterOf(pixel)]);
  const batch = { data, count: 1, height: 64, width: 64 };
  return { model: { ...model, preprocessing, parameters }, weights, batch };
}

async function checkByHand(run: Engine["run"], batch: Batch): Promise<void> {
  const map = await run(batch, { layer: "pool5" });
  assertEquals([...map.data], ACTIVATIONS.flatMap((x) => [127 * x, 0]));

  const average = await run(batch, { layer: "average" });
  assertEquals(average.shape, [1, 1, 1, 2]);
  // The sum is exact; the scale is that of the activations, whose 127 is 1, by the positions.
  assertEquals([...average.data], [127 + 0 + 64 + 32, 0]);
  const scale = 1 / 127 / 4;
  // Nine layers, of whose scales float32 has rounded each by up to 6e-8.
  assertAlmostEquals(average.scale[0], scale, 1e-6 * scale);

  // The largest sum becomes 127.
  const logits = await run(batch);
  assertEquals([...logits.data], [127 * 127]);
  assertAlmostEquals(logits.data[0] * logits.scale[0], 223 * scale / 2, 1e-6);
}

Deno.test("the reference's average is what it is by hand", async () => {
  const { model, weights, batch } = handingOn(), program = compileProgram(model);
  const run: Engine["run"] = (batch, { layer } = {}) =>
    Promise.resolve(referenceActivations(program, weights, batch, layer));
  await checkByHand(run, batch);
});

Deno.test("WebAssembly's average is what it is by hand", async () => {
  const { model, batch } = handingOn();
  await using engine = await createWasmEngine(model);
  await checkByHand((...call) => engine.run(...call), batch);
});

gpuTest("WebGPU's average is what it is by hand", async () => {
  const { model, batch } = handingOn();
  await using engine = await createWebgpuEngine(model);
  await checkByHand((...call) => engine.run(...call), batch);
});

/**
 * A thin network, and images whose maps have 9x8 positions: more than a workgroup of WebGPU has
 * lanes.
 */
const { model: thin, weights: thinWeights } = randomModel({
  configuration: "A",
  input: { height: 32, width: 32, channels: 1 },
  convolutions: [3, 4, 4, 4, 6, 8, 16, 20],
  pooling: "average",
  dense: [7],
});
const large = randomBatch(2, 288, 257, 1);

async function checkLargeMap(create: typeof createWasmEngine): Promise<void> {
  await using engine = await create(thin);
  const expected = referenceActivations(compileProgram(thin), thinWeights, large, "average");
  assertSame(await engine.run(large, { layer: "average" }), expected);

  await using float = await create(thin, { precision: "float" });
  const { data } = await float.run(large, { layer: "average" });
  const want = (await floatEngine(thin, thinWeights).run(large, { layer: "average" })).data;
  const most = Math.max(...want);
  // As in the engines' float tests.
  data.forEach((value, i) => assertAlmostEquals(value, want[i], 2e-5 * most));
}

Deno.test("WebAssembly averages a large map", () => checkLargeMap(createWasmEngine));
gpuTest("WebGPU averages a large map", () => checkLargeMap(createWebgpuEngine));

// Dense layers in float add in another order where there are more images.
for (const [precision, layers] of [["int8", ["average", "fc8"]], ["float", ["average"]]] as const) {
  Deno.test(`images that do not go through the convolutions together give what each gives alone: ${precision}`, async () => {
    const { model } = randomModel({
      configuration: "A",
      input: { height: 64, width: 64, channels: 3 },
      convolutions: [80, 8, 8, 8, 8, 8, 8, 24],
      pooling: "average",
      dense: [12, 5],
    });
    // 226 x 231 x 80 channels of 5 bytes are 21 MB an image: of 24, one fits.
    const batch = randomBatch(3, 226, 231, 3);
    await using engine = await createWasmEngine(model, { precision, threads: 2, prepareFrom: 0 });
    for (const layer of layers) {
      const alone = [];
      for (let n = 0; n < 3; n++) alone.push(await engine.run(imagesOf(batch, n, 1), { layer }));
      assertSame(await engine.run(batch, { layer }), concatenate(alone));
    }
  });
}

Deno.test("algorithms are tried on a network that averages, and no value depends on it", async () => {
  const { model } = randomModel({
    configuration: "A",
    input: { height: 224, width: 224, channels: 3 },
    convolutions: [64, 128, 128, 64, 64, 64, 32, 32],
    pooling: "average",
    dense: [10],
  });
  // Below this nothing is tried.
  assert(networkOperations(compileProgram(model)) > 2e9);
  const batch = randomBatch(1, 230, 261, 3);
  await using direct = await createWasmEngine(model, { algorithm: "direct" });
  await using tried = await createWasmEngine(model, { prepareFrom: 0 });
  assertSame(await tried.run(batch), await direct.run(batch));
});

Deno.test("a profile has a line for the average, and its additions", async () => {
  const { model, batch } = averageCases()[0];
  await using engine = await createWasmEngine(model);
  const profile = await engine.profile(batch);
  const names = compileProgram(model).layers.map(({ name }) => name);
  assertEquals(profile.map(({ layer }) => layer), names);
  assertEquals(names.slice(-3), ["conv5_2", "average", "fc8"]);
  // Two images, whose maps have 2x3 positions of 32 channels.
  assertEquals(profile.at(-2)!.operations, 2 * 6 * 32);
});

Deno.test("a model with an average is written, opened and run", async () => {
  for (const testCase of averageCases()) {
    const { parameters, weightBytes: _, weights, ...description } = testCase.model;
    const file = new MemoryFile(), writer = new ModelWriter(file, description);
    for (const { name, scale, bias } of parameters) writer.setParameters(name, scale, bias);
    for await (const { layer, first, data } of weights()) writer.setWeights(layer, first, data);
    await writer.finish({});
    const model = await openModel(file.bytes);
    assertEquals(model.architecture, JSON.parse(JSON.stringify(testCase.model.architecture)));
    await checkEveryLayer((model) => createWasmEngine(model), { ...testCase, model });
  }
});
