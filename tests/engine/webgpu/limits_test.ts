/**
 * The smallest limits of a device, which are WebGPU's defaults: 128 MiB a binding, 256 MiB a buffer,
 * textures of 8192, 65,535 workgroups a dimension, 256 invocations and 16 KiB a workgroup.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { randomImages, randomVgg16, VGG16 } from "../../../bench/vgg16.ts";
import type { Activations, Precision } from "../../../lib/engine/engine.ts";
import { layerOutputs } from "../../../lib/engine/geometry.ts";
import { compileProgram } from "../../../lib/engine/program.ts";
import { createWasmEngine } from "../../../lib/engine/wasm/engine.ts";
import { acquireGpu, releaseGpu } from "../../../lib/engine/webgpu/device/device.ts";
import { createWebgpuEngine, type WebgpuOptions } from "../../../lib/engine/webgpu/engine.ts";
import {
  imagesPerRun,
  planLayers,
  planOneImage,
} from "../../../lib/engine/webgpu/resident/plan.ts";
import {
  canCompute,
  candidateName,
  CANDIDATES,
  defaultTuning,
  DENSE_TILES,
  DIRECT_TILE,
  type Tuning,
} from "../../../lib/engine/webgpu/tuning/tile.ts";
import type { Model } from "../../../lib/model/model.ts";
import { assertSame } from "../../support/engine_cases.ts";
import { randomBatch, randomModel } from "../../support/random_model.ts";
import { referenceActivations } from "../../support/reference.ts";
import { stepsOf } from "../../../tools/wgsl.ts";
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

/** A VGG that is cheap at any size, and has a layer after the first that is as large as the image. */
const THIN = {
  configuration: "B",
  input: { height: 32, width: 32, channels: 3 },
  convolutions: Array(10).fill(16),
  dense: [16, 16, 10],
} as const;

for (const { memory, tile } of CANDIDATES) {
  gpuTest(`a device with the default limits runs ${candidateName({ memory, tile })}`, async () => {
    using _limits = defaultLimits();
    const architecture = { ...THIN, convolutions: Array(10).fill(32) };
    const { model, weights } = randomModel(architecture, 5);
    const program = compileProgram(model);
    const convolutions = Object.fromEntries(
      planOneImage(program, "int8").filter((planned) => canCompute(tile, planned))
        .map(({ layer }) => [layer.name, tile]),
    );
    const [dense] = DENSE_TILES.toReversed();
    const small = randomBatch(2, 32, 32, 3);
    for (const precision of ["int8", "float"] as const) {
      const tuning = { memory, convolutions, dense };
      await using engine = await createWebgpuEngine(model, { precision, tuning });
      const result = await engine.run(small);
      if (precision === "int8") assertSame(result, referenceActivations(program, weights, small));
    }
  });
}

/** What has more workgroups than a dimension may have, of rows or of pixels, in few bytes. */
const HUGE: Readonly<
  Record<string, [configuration: "A" | "B", height: number, width: number, tuning: Tuning]>
> = {
  "131,080 rows": ["A", 131_080, 32, defaultTuning(false)],
  "small tiles": ["B", 514, 514, smallTiles(false)],
  "small tiles, staged": ["B", 514, 514, smallTiles(true)],
};

function smallTiles(staged: boolean): Tuning {
  const tile = { ...DIRECT_TILE, columns: 2, channels: 4, channelLanes: 4, pixelLanes: 1, staged };
  return { memory: "texture", convolutions: { conv1_2: tile }, dense: DENSE_TILES[0] };
}

for (const [name, [configuration, height, width, tuning]] of Object.entries(HUGE)) {
  gpuTest(`a layer of more than 65,535 workgroups has the same bits: ${name}`, async () => {
    const convolutions = Array(configuration === "A" ? 8 : 10).fill(16);
    const { model } = randomModel({ ...THIN, configuration, convolutions }, 6);
    const huge = randomBatch(1, height, width, 3);
    await using engine = await createWebgpuEngine(model, { tuning });
    await using wasm = await createWasmEngine(model);
    // A wrong maximum would show in the second layer.
    const layer = configuration === "A" ? "conv2_1" : "pool2";
    assertSame(await engine.run(huge, { layer }), await wasm.run(huge, { layer }));
  });
}

/** As many pixels as dense evaluation takes, in every shape. */
const DENSE_SIZES = [[2048, 2048], [32, 131_072], [131_072, 32], [2047, 2049], [224, 18_724]];

for (const precision of ["int8", "float"] as const) {
  Deno.test(`no picture has more workgroups than a dimension may have: ${precision}`, () => {
    const program = compileProgram(randomVgg16({ ...VGG16, input: THIN.input }));
    const dense = DENSE_TILES[0];
    const tunings = CANDIDATES.map(({ memory, tile }): Tuning => {
      const planned = planOneImage(program, precision).filter((each) => canCompute(tile, each));
      const convolutions = Object.fromEntries(planned.map(({ layer }) => [layer.name, tile]));
      return { memory, convolutions, dense };
    });
    for (const tuning of [defaultTuning(true), defaultTuning(false), ...tunings]) {
      for (const [height, width] of DENSE_SIZES) {
        for (const { step } of stepsOf(precision, tuning, program, { height, width })) {
          const { name, workgroups, workgroupSize } = step.dispatch;
          const said = `${height}x${width} ${step.layer} ${name}: ${workgroups.join(" x ")}`;
          assert(workgroups.every((count) => count >= 1 && count <= 65_535), said);
          assert(workgroupSize <= 256, said);
        }
      }
    }
  });
}

Deno.test("a run has no more images than a dimension has workgroups", () => {
  const program = compileProgram(randomModel(THIN).model);
  const limits = {
    maxStorageBufferBindingSize: 2 ** 40,
    maxBufferSize: 2 ** 40,
    maxTextureDimension2D: 8192,
  };
  assertEquals(imagesPerRun(planOneImage(program, "int8"), "int8", limits, "buffer"), 65_535);
});

Deno.test("a run has no more images than a buffer can hold of what is read, whichever layer it is", () => {
  const program = compileProgram(randomVgg16());
  const limits = {
    maxStorageBufferBindingSize: 16 * 2 ** 20,
    maxBufferSize: 16 * 2 ** 20,
    maxTextureDimension2D: 8192,
  };
  const most = (...names: string[]): number => {
    const size = { ...program.input, count: 1 };
    const plan = planLayers(program, "int8", size, layerOutputs(program, names));
    return imagesPerRun(plan, "int8", limits, "texture");
  };
  // 128 MiB of a texture for conv1_1's values, 12.25 MiB of an image; and 16 of a buffer.
  assertEquals([most("fc8"), most("conv1_2", "fc8"), most("pool1", "fc8")], [9, 1, 4]);
});
