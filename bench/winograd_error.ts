/**
 * How exact the float kernels of the WebGPU engine are: one layer at a time, against float64.
 *
 * `deno run --allow-all bench/winograd_error.ts` prints a row for each kernel and number of channels.
 *
 * @module
 */

import { acquireGpu, releaseGpu } from "../lib/engine/webgpu/device/device.ts";
import {
  DIRECT_TILE,
  SMALL_WINOGRAD_TILE,
  WINOGRAD_TILE,
} from "../lib/engine/webgpu/tuning/tile.ts";
import {
  convolveByDefinition,
  convolveOnGpu,
  errorsOf,
  randomOperands,
} from "../tests/support/webgpu_convolution.ts";

const TILES = {
  "direct": DIRECT_TILE,
  "F(2x2, 3x3)": SMALL_WINOGRAD_TILE,
  "F(4x4, 3x3)": WINOGRAD_TILE,
};

const gpu = await acquireGpu();
for (const inChannels of [64, 256, 512]) {
  const layer = {
    ...{ images: 1, height: 24, width: 24, inChannels, outChannels: 32 },
    ...{ filter: 3, pool: false } as const,
  };
  const operands = randomOperands(layer, "float");
  const exact = convolveByDefinition(layer, operands);
  for (const [name, tile] of Object.entries(TILES)) {
    const candidate = { memory: "texture", tile } as const;
    const { sums } = await convolveOnGpu(gpu, layer, operands, "float", candidate);
    const { max, rms } = errorsOf(sums, exact);
    console.log(
      `${inChannels} channels  ${name.padEnd(12)} max ${max.toExponential(1)}  rms ${
        rms.toExponential(1)
      }`,
    );
  }
}
await releaseGpu();
