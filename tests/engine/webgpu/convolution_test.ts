/**
 * Every kind of convolution kernel, over shapes that its tiles do not divide.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Precision } from "../../../lib/engine/engine.ts";
import { acquireGpu, type Gpu, releaseGpu } from "../../../lib/engine/webgpu/device/device.ts";
import { isWinograd } from "../../../lib/engine/webgpu/kernels/convolution.ts";
import { canCompute, candidateName, CANDIDATES } from "../../../lib/engine/webgpu/tuning/tile.ts";
import { gpuTest } from "../../support/webgpu.ts";
import {
  convolveByDefinition,
  convolveOnGpu,
  errorsOf,
  type Operands,
  type Problem,
  randomOperands,
} from "../../support/webgpu_convolution.ts";

/** Heights, widths, channels in and out, images, size of the filters, max-pool. */
const PROBLEMS: readonly Problem[] = ([
  [1, 1, 1, 1, 8, 3, false],
  [2, 3, 3, 5, 4, 3, true],
  [7, 5, 17, 33, 3, 3, false],
  [9, 13, 31, 1, 2, 3, true],
  [4, 4, 512, 20, 1, 3, false],
  [3, 6, 48, 512, 2, 3, true],
  [19, 21, 130, 70, 1, 3, true],
  // More patches, and then more filters, than one chunk of Winograd's algorithm has.
  [35, 131, 64, 64, 1, 3, false],
  [5, 5, 512, 272, 1, 3, false],
  [5, 3, 33, 17, 2, 1, false],
] as const).map(([height, width, inChannels, outChannels, images, filter, pool]) => ({
  height,
  width,
  inChannels,
  outChannels,
  images,
  filter,
  pool,
}));

/**
 * Of the largest sum. float32 rounds to 6e-8, and sums of some thousand products lose a few bits:
 * 8e-7 was measured.
 */
const TOLERANCE = 2e-6;
/**
 * The transforms of F(4x4) multiply by up to 18 and add what cancels in the end, 324 times what is
 * left: 6e-6 was measured. A wrong kernel is off by a thousand times as much.
 */
const TOLERANCE_F4 = 2e-5;

interface Known {
  readonly operands: Operands;
  readonly sums: Float64Array;
}

const known = new Map<string, Known>();

function answersOf(problem: Problem, precision: Precision): Known {
  const key = precision + JSON.stringify(problem);
  let found = known.get(key);
  if (found === undefined) {
    const operands = randomOperands(problem, precision);
    found = { operands, sums: convolveByDefinition(problem, operands) };
    assert(found.sums.some((sum) => sum !== 0), key);
    known.set(key, found);
  }
  return found;
}

const naive = new Map<Problem, Int32Array>();

/** What the naive kernel gives for integers. */
async function naiveSums(gpu: Gpu, problem: Problem): Promise<Int32Array> {
  let sums = naive.get(problem);
  if (sums === undefined) {
    const { operands } = answersOf(problem, "int8");
    sums = Int32Array.from((await convolveOnGpu(gpu, problem, operands, "int8", "naive")).sums);
    naive.set(problem, sums);
  }
  return sums;
}

gpuTest("the naive kernel gives the sums of the definition", () =>
  withGpu(async (gpu) => {
    for (const problem of PROBLEMS) {
      const { sums } = answersOf(problem, "int8");
      const given = await naiveSums(gpu, problem);
      assertEquals(given, Int32Array.from(sums), JSON.stringify(problem));
    }
  }));

for (const candidate of CANDIDATES) {
  const name = candidateName(candidate);
  const { tile } = candidate;
  const problems = PROBLEMS.filter(({ filter, pool }) =>
    canCompute(tile, { layer: { filterSize: [filter, filter] }, pool })
  );

  gpuTest(
    `${name} gives the naive kernel's sums of sizes that it does not divide`,
    () =>
      withGpu(async (gpu) => {
        assert(problems.length > 0);
        for (const problem of problems) {
          const what = JSON.stringify(problem);
          const sums = await naiveSums(gpu, problem);
          const { operands } = answersOf(problem, "int8");
          const given = await convolveOnGpu(gpu, problem, operands, "int8", candidate);
          assertEquals(given.sums, sums, what);
          const each = sums.length / problem.images;
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
      for (const problem of problems) {
        const { operands, sums } = answersOf(problem, "float");
        const given = await convolveOnGpu(gpu, problem, operands, "float", candidate);
        assertEquals(given.sums.length, sums.length);
        const { max } = errorsOf(given.sums, sums);
        assert(max <= tolerance, `${JSON.stringify(problem)}: ${max}`);
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
