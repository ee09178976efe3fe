/**
 * VGG16 at ImageNet size on a device with WebGPU's default limits: 128 MiB a binding, 256 MiB a
 * buffer, textures of 8192.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { randomImages, randomVgg16, VGG16 } from "../../../bench/vgg16.ts";
import type { Activations, Precision } from "../../../lib/engine/engine.ts";
import { createWasmEngine } from "../../../lib/engine/wasm/engine.ts";
import { acquireGpu, releaseGpu } from "../../../lib/engine/webgpu/device/device.ts";
import { createWebgpuEngine, type WebgpuOptions } from "../../../lib/engine/webgpu/engine.ts";
import { defaultTuning } from "../../../lib/engine/webgpu/tuning/tile.ts";
import type { Model } from "../../../lib/model/model.ts";
import { assertSame } from "../../support/engine_cases.ts";
import { defaultLimits, gpuTest } from "../../support/webgpu.ts";

const batch = randomImages(1);
/** Relative to the largest logit: WebGPU is held to 1e-5 of float64, WebAssembly to 2e-5. */
const FLOAT_TOLERANCE = 3e-5;
/** What an engine may hold for each byte of the model and its two largest activations. */
const RESIDENT = 1.15;

/** Bytes of weights, and of what the two layers before the first max-pool give. */
function bytesNeeded({ weightBytes, architecture }: Model, precision: Precision): number {
  const { input: { height, width }, convolutions } = architecture;
  const values = height * width * (convolutions[0] + convolutions[1]);
  return weightBytes + values * (precision === "int8" ? 1 : 4);
}

/** The logits of a random model on a device that has the default limits and no more. */
async function logits(
  model: Model,
  options: WebgpuOptions & { precision: Precision },
): Promise<Activations> {
  using _limits = defaultLimits();
  const { device: { limits } } = await acquireGpu();
  try {
    assertEquals(limits.maxStorageBufferBindingSize, 128 * 2 ** 20);
    assertEquals(limits.maxBufferSize, 256 * 2 ** 20);
    assertEquals(limits.maxTextureDimension2D, 8192);
    await using engine = await createWebgpuEngine(model, { ...options, tune: "off" });
    const result = await engine.run(batch);
    const ratio = engine.bytesResident / bytesNeeded(model, options.precision);
    assert(ratio <= RESIDENT, `${ratio}`);
    return result;
  } finally {
    await releaseGpu();
  }
}

/** The same on the CPU, by the engine that is held to the reference. */
async function expected(model: Model, precision: Precision): Promise<Activations> {
  await using engine = await createWasmEngine(model, { precision });
  return await engine.run(batch);
}

gpuTest("VGG16 at 224x224 runs on a device with the default limits", async () => {
  const model = randomVgg16();
  assertSame(await logits(model, { precision: "int8" }), await expected(model, "int8"));
});

gpuTest("VGG16 at 224x224 in float runs on a device with the default limits", async () => {
  const model = randomVgg16();
  const actual = [...(await logits(model, { precision: "float" })).data];
  const want = [...(await expected(model, "float")).data];
  const largest = Math.max(...want.map(Math.abs));
  const error = Math.max(...want.map((value, i) => Math.abs(value - actual[i])));
  assert(error <= FLOAT_TOLERANCE * largest, `${error} of ${largest}`);
  assertEquals(actual.indexOf(Math.max(...actual)), want.indexOf(Math.max(...want)));
});

gpuTest("VGG16's dense layers in buffers run on a device with the default limits", async () => {
  // Thin convolutions, as a software adapter is slow at reading buffers; fc6 is that of VGG16, 98
  // MiB of a binding's 128.
  const convolutions = VGG16.convolutions.map((channels, i) => i < 10 ? channels / 8 : channels);
  const model = randomVgg16({ ...VGG16, convolutions });
  const tuning = defaultTuning(false);
  assertEquals(tuning.memory, "buffer");
  assertSame(await logits(model, { precision: "int8", tuning }), await expected(model, "int8"));
});
