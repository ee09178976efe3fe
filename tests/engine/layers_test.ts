/**
 * Several layers of one run: the bits that a run of each alone gives, on both engines.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { randomVgg16 } from "../../bench/vgg16.ts";
import type { Activations, Batch, Engine, Precision } from "../../lib/engine/engine.ts";
import { layerOutputs } from "../../lib/engine/geometry.ts";
import { compileProgram } from "../../lib/engine/program.ts";
import { createWasmEngine, type WasmEngineOptions } from "../../lib/engine/wasm/engine.ts";
import { createWebgpuEngine } from "../../lib/engine/webgpu/engine.ts";
import { planLayers } from "../../lib/engine/webgpu/resident/plan.ts";
import { Portions } from "../../lib/engine/webgpu/resident/portions.ts";
import { defaultTuning } from "../../lib/engine/webgpu/tuning/tile.ts";
import type { Model } from "../../lib/model/model.ts";
import { assertSame, type EngineCase, engineCases, layerNames } from "../support/engine_cases.ts";
import { randomBatch, randomModel } from "../support/random_model.ts";
import { gpuTest } from "../support/webgpu.ts";

/** All layers from the last on, and lists in which convolutions are read with and without their pools. */
function lists(model: Model): string[][] {
  const names = layerNames(compileProgram(model));
  const convolutions = names.filter((_, i) => names[i + 1]?.startsWith("pool"));
  return [
    names.toReversed(),
    convolutions,
    names.filter((name) => /^(pool|average|fc)/.test(name)),
    [names.at(-1)!, convolutions.at(-1)!, names.at(-1)!],
  ];
}

async function checkLists(
  make: (model: Model) => Promise<Engine>,
  { model, batch }: Pick<EngineCase, "model" | "batch">,
  wanted: readonly (readonly string[])[] = lists(model),
): Promise<void> {
  await using engine = await make(model);
  const alone = new Map<string, Activations>();
  for (const layer of new Set(wanted.flat())) alone.set(layer, await engine.run(batch, { layer }));
  for (const layers of wanted) {
    const found = await engine.runLayers(batch, layers);
    assertEquals(found.map(({ layer }) => layer), layers);
    for (const activations of found) assertSame(activations, alone.get(activations.layer)!);
  }
}

const WASM: Readonly<Record<string, WasmEngineOptions>> = {
  "direct": { algorithm: "direct" },
  "Winograd, two threads": { algorithm: "winograd", threads: 2, prepareFrom: 0 },
};

for (const precision of ["int8", "float"] as const) {
  for (const [name, options] of Object.entries(WASM)) {
    Deno.test(`WebAssembly gives several layers of a run: ${precision}, ${name}`, async () => {
      for (const testCase of engineCases()) {
        await checkLists((model) => createWasmEngine(model, { ...options, precision }), testCase);
      }
    });
  }

  for (const isFallback of [true, false]) {
    const tuning = defaultTuning(isFallback);
    gpuTest(`WebGPU gives several layers of a run: ${precision}, ${tuning.memory}`, async () => {
      // What is kept of a run does not depend on the precision: one case for each kind of its kernels.
      const chosen = precision === "int8" ? [0, 2, 5, 9, 10] : [2, 9];
      const cases = chosen.map((index) => engineCases()[index]!);
      for (const testCase of cases) {
        await checkLists((model) => createWebgpuEngine(model, { precision, tuning }), testCase);
      }
    });
  }
}

/** Of which two images do not go through WebAssembly's convolutions together. */
const LARGE = {
  model: randomModel({
    configuration: "A",
    input: { height: 224, width: 224, channels: 3 },
    convolutions: [64, 16, 16, 16, 16, 16, 16, 16],
    dense: [20, 10],
  }, 3).model,
  batch: randomBatch(3, 225, 231, 3),
};

for (const precision of ["int8", "float"] as const satisfies Precision[]) {
  Deno.test(`images that go through the convolutions one by one have the same bits: ${precision}`, () =>
    checkLists((model) => createWasmEngine(model, { precision }), LARGE, [
      ["conv1_1", "pool1", "conv3_1", "fc7", "fc8"],
      ["pool3", "pool4", "pool5"],
    ]));
}

const SIDE = 33;
/** A picture of the mean but for its last row and column, which the first pool drops. */
const EDGE = {
  model: randomModel({
    configuration: "A",
    input: { height: SIDE, width: SIDE, channels: 3 },
    convolutions: Array(8).fill(16),
    dense: [4],
  }, 2).model,
  batch: randomBatch(1, SIDE, SIDE, 3),
};
EDGE.batch.data.forEach((_, i, data) => {
  const { mean, scale } = EDGE.model.preprocessing, pixel = Math.floor(i / 3);
  const isLast = pixel % SIDE === SIDE - 1 || pixel >= SIDE * (SIDE - 1);
  data[i] = isLast ? [255, 0, 128][(i * 7 + pixel) % 3]! : Math.round(mean[i % 3]! / scale);
});

async function checkEdge(make: (model: Model) => Promise<Engine>): Promise<void> {
  await using engine = await make(EDGE.model);
  const layers = ["conv1_1", "pool1"];
  const [largest, pooled] = (await engine.runLayers(EDGE.batch, layers))
    .map(({ data }) => Array.from(data).reduce((a, b) => Math.max(a, b)));
  assert(largest! > 1.1 * pooled!, "what the pool drops has to be the largest");
  await checkLists(make, EDGE, [["conv1_1", "conv2_1", "fc8"]]);
}

Deno.test("WebAssembly scales by what a pool takes, though its convolution is read", () =>
  checkEdge(createWasmEngine));
gpuTest(
  "WebGPU scales by what a pool takes, though its convolution is read",
  () => checkEdge(createWebgpuEngine),
);

/** More images than a plan takes, each brighter than the one before. */
function manyImages(batch: Batch, count: number): Batch {
  const size = batch.data.length / batch.count;
  const data = Uint8Array.from(
    { length: count * size },
    (_, i) => batch.data[i % size]! * (Math.floor(i / size) + 1) / count,
  );
  return { ...batch, count, data };
}

Deno.test("a batch in several parts has the same bits", async () => {
  const { model, batch } = engineCases()[0]!;
  await checkLists(createWasmEngine, { model, batch: manyImages(batch, 300) }, [
    ["pool1", "conv2_1", "fc7"],
  ]);
});

/** A signal that is aborted once it was asked so many times. */
function abortedAfter(times: number, reason: Error): AbortSignal {
  const controller = new AbortController(), { signal } = controller;
  const original = signal.throwIfAborted.bind(signal);
  signal.throwIfAborted = () => {
    if (times-- === 0) controller.abort(reason);
    original();
  };
  return signal;
}

/** @param least Times that a run looks at its signal: that often at least it can be aborted. */
async function checkAborts(make: (model: Model) => Promise<Engine>, least: number): Promise<void> {
  const { model, batch } = engineCases()[3]!, layers = ["conv2_2", "pool3", "fc8"];
  await using engine = await make(model);
  const expected = await engine.runLayers(batch, layers);
  let aborted = 0;
  for (let times = 0;; times++) {
    const signal = abortedAfter(times, new SyntaxError("enough"));
    const [outcome] = await Promise.allSettled([engine.runLayers(batch, layers, { signal })]);
    assertEquals(await engine.runLayers(batch, layers), expected);
    if (outcome.status === "fulfilled") break;
    assert(outcome.reason instanceof SyntaxError, `${outcome.reason}`);
    aborted++;
  }
  assert(aborted >= least, `it could be aborted ${aborted} times`);
}

Deno.test("WebAssembly ends between two layers that are read, and runs again", () =>
  checkAborts(createWasmEngine, 4));
gpuTest(
  "a run of several layers ends early on WebGPU, and runs again",
  () => checkAborts(createWebgpuEngine, 2),
);

Deno.test("the steps of a layer that runs twice are handed to the GPU together, and once", () => {
  const program = compileProgram(randomVgg16());
  const outputs = layerOutputs(program, layerNames(program));
  const plan = planLayers(program, "int8", { ...program.input, count: 1 }, outputs);
  const names = new Portions().cut(plan).map((portion) => [...portion]);
  assert(names.length > 5, `${names.length} portions`);
  assertEquals(names.flat(), program.layers.map(({ name }) => name));
});

gpuTest(
  "no tensor is left on the GPU by a run of several layers, nor by one that ends early",
  async () => {
    const { model, batch } = engineCases()[0]!;
    await using engine = await createWebgpuEngine(model);
    const layers = lists(model)[0]!;
    await engine.runLayers(batch, layers);
    const { bytesResident } = engine;
    const signal = AbortSignal.abort();
    for (let i = 0; i < 3; i++) {
      await engine.runLayers(batch, layers);
      await assertRejects(() => engine.runLayers(batch, layers, { signal }));
    }
    assertEquals(engine.bytesResident, bytesResident);
  },
);
