import { assert, assertEquals } from "@std/assert";
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
  checkAccumulators,
  checkEveryLayer,
  engineCases,
  layerNames,
} from "../../support/engine_cases.ts";
import { floatEngine } from "../../support/float_engine.ts";
import { referenceActivations } from "../../support/reference.ts";
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
    for (const index of [2, 3, 5]) {
      const { model, weights, batch } = engineCases()[index];
      await using engine = await createWebgpuEngine(model, { tuning });
      // A bit that is wrong anywhere changes the logits.
      assertSame(
        await engine.run(batch),
        referenceActivations(compileProgram(model), weights, batch),
      );
    }
  });
}

/**
 * Relative to the layer's largest value. Inputs are rounded to 16 bits, which is 1.5e-5 of the
 * largest; the rest is float32 sums.
 */
const FLOAT_TOLERANCE = 5e-5;

for (const index of [1, 2, 3]) {
  const { name, model, weights, batch } = engineCases()[index];
  gpuTest(`WebGPU in float is within ${FLOAT_TOLERANCE} of float64: ${name}`, async () => {
    const expected = floatEngine(model, weights);
    for (const tuning of [TUNINGS["textures"], TUNINGS["workgroup memory"]]) {
      await using engine = await createWebgpuEngine(model, { precision: "float", tuning });
      for (const layer of layerNames(compileProgram(model))) {
        const actual = await engine.run(batch, { layer });
        const want = await expected.run(batch, { layer });
        assertEquals({ ...actual, data: 0 }, { ...want, data: 0 });
        assertEquals(actual.data.length, want.data.length);
        const values = Float64Array.from(want.data);
        const largest = values.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
        const error = values.reduce((max, v, i) => Math.max(max, Math.abs(v - actual.data[i])), 0);
        assert(error <= FLOAT_TOLERANCE * largest, `${layer}: ${error} of ${largest}`);
      }
    }
  });
}

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
