/**
 * What tfjs is given: programs with names that say which kernel is meant.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { getKernel } from "@tensorflow/tfjs-core";
import { BackendUnavailableError } from "../../../lib/errors.ts";
import { acquireGpu, checked, releaseGpu } from "../../../lib/engine/webgpu/device/device.ts";
import { Memory } from "../../../lib/engine/webgpu/device/memory.ts";
import { BACKEND_NAME, registerStep, runStep } from "../../../lib/engine/webgpu/device/tfjs.ts";
import { createWebgpuEngine } from "../../../lib/engine/webgpu/engine.ts";
import { defineKernel } from "../../../lib/engine/webgpu/kernels/kernel.ts";
import { defaultTuning } from "../../../lib/engine/webgpu/tuning/tile.ts";
import { engineCases } from "../../support/engine_cases.ts";
import { gpuTest } from "../../support/webgpu.ts";

/** Kernels whose WGSL is wrong: one does not parse, one reads what is not there. */
const BROKEN = {
  "no-wgsl": "fn main() { this is no WGSL }",
  "unknown-input": "fn main() { store(0, load_z(0)); }",
};

Deno.test("another version of this package in the process has a backend and kernels of its own", async () => {
  registerStep("convolution");
  const second: string =
    new URL("../../../lib/engine/webgpu/device/tfjs.ts?second", import.meta.url)
      .href;
  const other: typeof import("../../../lib/engine/webgpu/device/tfjs.ts") = await import(second);
  assertNotEquals(other.BACKEND_NAME, BACKEND_NAME);
  const own = getKernel("convolution", BACKEND_NAME);
  other.registerStep("convolution");
  assertStrictEquals(getKernel("convolution", BACKEND_NAME), own);
});

for (const [name, code] of Object.entries(BROKEN)) {
  const kernel = defineKernel(name, ["x"], (size: number) => ({
    variant: ["int8", `${size}x${size}`],
    code: () => code,
    parameters: { size },
    workgroupSize: 1,
    workgroups: [1, 1, 1],
  }));

  gpuTest(`an error about the program of ${name} names it`, async () => {
    const { backend, device } = await acquireGpu();
    try {
      using memory = new Memory(backend);
      const error = await assertRejects(
        () =>
          checked(device, () => {
            const [x, output] = [memory.allocate(1, "texture"), memory.allocate(1, "buffer")];
            runStep(backend, kernel({ x }, 7, output));
          }),
        BackendUnavailableError,
      );
      assertStringIncludes(error.message, `${name} int8 7x7 texture buffer`);
    } finally {
      await releaseGpu();
    }
  });
}

gpuTest("every shader and pipeline is labeled with its kernel and variant", async () => {
  const { device } = await acquireGpu();
  const labels = { shaders: new Set<string>(), pipelines: new Set<string>() };
  const { createShaderModule, createComputePipeline, createComputePipelineAsync } = device;
  Object.assign(device, {
    createShaderModule(descriptor: GPUShaderModuleDescriptor) {
      labels.shaders.add(descriptor.label!);
      return createShaderModule.call(device, descriptor);
    },
    createComputePipeline(descriptor: GPUComputePipelineDescriptor) {
      labels.pipelines.add(descriptor.label!);
      return createComputePipeline.call(device, descriptor);
    },
    createComputePipelineAsync(descriptor: GPUComputePipelineDescriptor) {
      labels.pipelines.add(descriptor.label!);
      return createComputePipelineAsync.call(device, descriptor);
    },
  });
  try {
    const { model, batch } = engineCases()[0];
    for (const isFallback of [true, false]) {
      await using engine = await createWebgpuEngine(model, { tuning: defaultTuning(isFallback) });
      await engine.run(batch);
    }
  } finally {
    await releaseGpu();
  }
  assertEquals(labels.pipelines, labels.shaders);
  const expected = [
    "begin texture texture",
    "scale buffer buffer buffer buffer",
    "first-convolution int8 3 channels pool texture texture texture texture texture",
    "convolution int8 3x3 padding 0 pool 2x4x8 8x8 tap staged buffer buffer buffer buffer",
    "winograd-multiply int8 8x8 8x1 texture texture texture",
    "dense int8 1x4 8x8 buffer buffer buffer buffer",
  ];
  for (const label of expected) assert(labels.shaders.has(label), [...labels.shaders].join("\n"));
});

gpuTest(
  "results of up to 128 KiB are kept for later runs, eight of them; larger ones are freed",
  async () => {
    const { backend } = await acquireGpu();
    try {
      using memory = new Memory(backend);
      const vectors = 2 ** 17 / 16;
      const kept = memory.allocate(vectors, "buffer");
      memory.recycle(kept);
      assertEquals(memory.bytes, 2 ** 17);
      assert(memory.allocate(vectors, "buffer") === kept);
      memory.free(kept);
      memory.recycle(memory.allocate(vectors + 1, "buffer"));
      assertEquals(memory.bytes, 0);
      const many = Array.from({ length: 9 }, (_, i) => memory.allocate(i + 1, "buffer"));
      for (const tensor of many) memory.recycle(tensor);
      // The oldest, of one vector, had to go.
      assertEquals(memory.bytes, 16 * (2 + 3 + 4 + 5 + 6 + 7 + 8 + 9));
    } finally {
      await releaseGpu();
    }
  },
);
