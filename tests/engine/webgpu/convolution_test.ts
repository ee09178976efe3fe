/**
 * Every kind of convolution kernel, over shapes that its tiles do not divide.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Precision } from "../../../lib/engine/engine.ts";
import { acquireGpu, type Gpu, releaseGpu } from "../../../lib/engine/webgpu/device/device.ts";
import {
  canCompute,
  candidateName,
  CANDIDATES,
  isWinograd,
} from "../../../lib/engine/webgpu/tuning/tile.ts";
import { gpuTest } from "../../support/webgpu.ts";
import {
  type Convolution,
  convolveByDefinition,
  convolveOnGpu,
  errorsOf,
  type Operands,
  randomOperands,
} from "../../support/webgpu_convolution.ts";

/** Heights, widths, channels in and out, images, max-pool. */
const SHAPES: readonly Convolution[] = ([
  [1, 1, 1, 1, 8, false],
  [2, 3, 3, 5, 4, true],
  [7, 5, 17, 33, 3, false],
  [9, 13, 31, 1, 2, true],
  [4, 4, 512, 20, 1, false],
  [3, 6, 48, 512, 2, true],
  [19, 21, 130, 70, 1, true],
  // More tiles, and then more filters, than one chunk of Winograd's algorithm has.
  [67, 131, 64, 64, 1, false],
  [5, 5, 512, 272, 1, false],
] as const).map(([height, width, inChannels, outChannels, images, pool]) => ({
  height,
  width,
  inChannels,
  outChannels,
  images,
  pool,
}));

/** Of the largest sum. float32 rounds to 6e-8, and sums of some thousand products lose a few bits: 8e-7 was measured. */
const TOLERANCE = 2e-6;
/**
 * The transforms of F(4x4) multiply by up to 18 and add what cancels in the end, 324 times what is left: 6e-6 was measured. A
 * wrong kernel is off by a thousand times as much.
 */
const TOLERANCE_F4 = 2e-5;

interface Known {
  readonly operands: Operands;
  readonly sums: Float64Array;
}

const known = new Map<string, Known>();

function answersOf(shape: Convolution, precision: Precision): Known {
  const key = precision + JSON.stringify(shape);
  let found = known.get(key);
  if (found === undefined) {
    const operands = randomOperands(shape, precision);
    found = { operands, sums: convolveByDefinition(shape, operands) };
    assert(found.sums.some((sum) => sum !== 0), key);
    known.set(key, found);
  }
  return found;
}

for (const candidate of CANDIDATES) {
  const name = candidateName(candidate);
  const { tile } = candidate;
  const shapes = SHAPES.filter(({ pool }) => canCompute(tile, { layer: { kernel: [3, 3] }, pool }));

  gpuTest(
    `${name} gives the accumulators of shapes that it does not divide`,
    () =>
      withGpu(async (gpu) => {
        for (const shape of shapes) {
          const what = JSON.stringify(shape);
          const { operands, sums } = answersOf(shape, "int8");
          const given = await convolveOnGpu(gpu, shape, operands, "int8", candidate);
          assertEquals(given.sums, Int32Array.from(sums), what);
          const each = sums.length / shape.images;
          given.maxima.forEach((maximum, n) => {
            // Channels that are not there are 0, and so is where a workgroup's maximum begins.
            const own = sums.subarray(n * each, (n + 1) * each);
            assertEquals(maximum, own.reduce((a, b) => Math.max(a, b), 0), what);
          });
        }
      }),
  );

  gpuTest(`${name} is close to float64 in float`, () =>
    withGpu(async (gpu) => {
      const tolerance = isWinograd(tile) && tile.outputs === 4 ? TOLERANCE_F4 : TOLERANCE;
      for (const shape of shapes) {
        const { operands, sums } = answersOf(shape, "float");
        const given = await convolveOnGpu(gpu, shape, operands, "float", candidate);
        assertEquals(given.sums.length, sums.length);
        const { max } = errorsOf(given.sums, sums);
        assert(max <= tolerance, `${JSON.stringify(shape)}: ${max}`);
      }
    }));
}

async function withGpu(work: (gpu: Gpu) => Promise<void>): Promise<void> {
  const gpu = await acquireGpu();
  try {
    await work(gpu);
  } finally {
    await releaseGpu();
  }
}
