import { assert, assertEquals } from "@std/assert";
import type { Activations } from "../../../lib/engine/engine.ts";
import { compileProgram } from "../../../lib/engine/program.ts";
import { concatenate } from "../../../lib/engine/queued_engine.ts";
import { createWebgpuEngine } from "../../../lib/engine/webgpu/engine.ts";
import {
  defaultTuning,
  DIRECT_TILE,
  STAGED_TILE,
  type Tuning,
} from "../../../lib/engine/webgpu/tuning/tile.ts";
import {
  assertSame,
  averageCases,
  checkAccumulators,
  checkEveryLayer,
  engineCases,
  everyLayer,
  layerNames,
} from "../../support/engine_cases.ts";
import { floatEngine } from "../../support/float_engine.ts";
import { gpuTest } from "../../support/webgpu.ts";

/** Every kind of memory and of loop, with lanes that do not divide the sizes. */
const TUNINGS: Readonly<Record<string, Tuning>> = {
  "textures": defaultTuning(true),
  "workgroup memory": defaultTuning(false),
  "buffers, small tiles": tuned("buffer", {
    ...DIRECT_TILE,
    rows: 2,
    columns: 2,
    channels: 4,
    channelLanes: 4,
    pixelLanes: 3,
  }),
  "textures, a kernel's row at once": tuned("texture", {
    ...DIRECT_TILE,
    columns: 2,
    channels: 4,
    loop: "row",
    channelLanes: 2,
  }),
  "workgroup memory, large tiles": tuned("texture", { ...STAGED_TILE, rows: 4, channels: 16 }),
};

function tuned(memory: Tuning["memory"], tile: typeof DIRECT_TILE): Tuning {
  const names = compileProgram(engineCases()[4].model).layers.map(({ name }) => name);
  const convolutions = Object.fromEntries(names.map((name) => [name, tile]));
  return { memory, convolutions, dense: { images: 1, channelLanes: 3, innerLanes: 5 } };
}

for (const testCase of engineCases()) {
  gpuTest(
    `WebGPU gives the reference's bits on every layer: ${testCase.name}`,
    () => checkEveryLayer((model, program) => createWebgpuEngine(model, { program }), testCase),
  );
}

gpuTest(
  "WebGPU gives the reference's accumulators",
  () =>
    checkAccumulators((model, program) => createWebgpuEngine(model, { program }), engineCases()[2]),
);

for (const [name, tuning] of Object.entries(TUNINGS)) {
  gpuTest(`WebGPU gives the same bits with ${name}`, async () => {
    const cases = [2, 3, 5].map((index) => engineCases()[index]);
    for (const testCase of [...cases, ...averageCases()]) {
      await using engine = await createWebgpuEngine(testCase.model, { tuning });
      // A bit that is wrong anywhere changes the logits.
      assertSame(await engine.run(testCase.batch), everyLayer(testCase).at(-1)!);
    }
  });
}

/**
 * Relative to the largest value. float32 has 6e-8, and the errors of sums add up like a random walk;
 * Winograd's transforms, which textures go with, lose some bits more.
 */
const FLOAT_TOLERANCE = { "textures": 1e-5, "workgroup memory": 2e-6 };

/** The largest error of a channel, and the channel's largest value. */
function errors(actual: Activations, want: Activations): [error: number, largest: number][] {
  const channels = want.shape[3];
  const found = Array.from({ length: channels }, (): [number, number] => [0, 0]);
  want.data.forEach((value, i) => {
    const of = found[i % channels];
    of[0] = Math.max(of[0], Math.abs(value - actual.data[i]));
    of[1] = Math.max(of[1], Math.abs(value));
  });
  return found;
}

for (const { name, model, weights, batch } of [...engineCases().slice(1, 4), ...averageCases()]) {
  gpuTest(`WebGPU in float is within float32's errors of float64: ${name}`, async () => {
    const names = layerNames(compileProgram(model));
    const expected = await floatEngine(model, weights).runLayers(batch, names);
    for (const [memory, tolerance] of Object.entries(FLOAT_TOLERANCE)) {
      const tuning = TUNINGS[memory];
      await using engine = await createWebgpuEngine(model, { precision: "float", tuning });
      for (const want of expected) {
        const { layer } = want, actual = await engine.run(batch, { layer });
        assertEquals({ ...actual, data: 0 }, { ...want, data: 0 });
        assertEquals(actual.data.length, want.data.length);
        const found = errors(actual, want);
        const error = Math.max(...found.map(([error]) => error));
        const largest = Math.max(...found.map(([, largest]) => largest));
        assert(error <= tolerance * largest, `${layer}: ${error} of ${largest}`);
      }
    }
  });
}

gpuTest(
  "in float a channel whose scale is 1e-12 of the others' is as exact as they are",
  async () => {
    const { model, weights, batch } = engineCases()[1];
    const faint = {
      ...model,
      parameters: model.parameters.map(({ name, scale, bias }) => ({
        name,
        scale: scale.with(1, scale[1] * 1e-12),
        bias: bias.with(1, bias[1] * 1e-12),
      })),
    };
    const expected = floatEngine(faint, weights);
    for (const [memory, tolerance] of Object.entries(FLOAT_TOLERANCE)) {
      const tuning = TUNINGS[memory];
      await using engine = await createWebgpuEngine(faint, { precision: "float", tuning });
      for (const layer of ["conv1_1", "conv2_1", "fc8"]) {
        const found = errors(
          await engine.run(batch, { layer }),
          await expected.run(batch, { layer }),
        );
        const [error, largest] = found[1];
        assert(largest > 0, `${layer}: nothing is seen`);
        assert(error <= tolerance * largest, `${layer}: ${error} of ${largest}`);
      }
    }
  },
);

gpuTest("a batch of nine images gives what each of them gives alone", async () => {
  const { model, batch } = engineCases()[2];
  const size = batch.data.length / batch.count;
  const nine = { ...batch, count: 9, data: new Uint8Array(9 * size) };
  for (let n = 0; n < 9; n++) {
    // Brightness differs, and with it every scale.
    const image = batch.data.subarray(n % batch.count * size, (n % batch.count + 1) * size);
    nine.data.set(image.map((byte) => byte * (n + 1) / 9), n * size);
  }
  await using engine = await createWebgpuEngine(model);
  const alone = [];
  for (let n = 0; n < 9; n++) {
    const data = nine.data.slice(n * size, (n + 1) * size);
    alone.push(await engine.run({ ...nine, count: 1, data }));
  }
  assertSame(await engine.run(nine), concatenate(alone));
});
