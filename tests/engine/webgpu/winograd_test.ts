/**
 * Winograd's algorithm: its matrices and bounds, and how a layer is cut.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Precision } from "../../../lib/engine/engine.ts";
import { compileProgram } from "../../../lib/engine/program.ts";
import { scratchOf } from "../../../lib/engine/webgpu/kernels/convolution.ts";
import { planLayers } from "../../../lib/engine/webgpu/resident/plan.ts";
import {
  defaultTile,
  defaultTuning,
  SMALL_WINOGRAD_TILE,
  WINOGRAD_TILE,
} from "../../../lib/engine/webgpu/tuning/tile.ts";
import { type Matrix, WINOGRAD } from "../../../lib/engine/winograd.ts";
import {
  inputVectors,
  outputWorkgroups,
  patchesOf,
  pointsOf,
  scratchVectors,
  winogradChunks,
  type WinogradLayer,
  winogradWorkgroups,
} from "../../../lib/engine/webgpu/kernels/winograd.ts";
import { random, randomModel } from "../../support/random_model.ts";

/** `A X A^T`. */
function transformed(a: Matrix, x: Matrix): number[][] {
  const half = a.map((row) => x[0].map((_, j) => row.reduce((sum, v, i) => sum + v * x[i][j], 0)));
  return half.map((row) => a.map((other) => other.reduce((sum, v, j) => sum + v * row[j], 0)));
}

/** The largest magnitude that a transform can give of values in `low…high`. */
function bound(a: Matrix, low: number, high: number): number {
  let largest = 0;
  for (const rows of a) {
    for (const columns of a) {
      let [top, bottom] = [0, 0];
      for (const r of rows) {
        for (const c of columns) {
          top += Math.max(r * c * low, r * c * high);
          bottom += Math.min(r * c * low, r * c * high);
        }
      }
      largest = Math.max(largest, top, -bottom);
    }
  }
  return largest;
}

for (const outputs of [2, 4] as const) {
  const { input, filter, output, scale, toFour } = WINOGRAD[outputs];
  const name = `F(${outputs}x${outputs}, 3x3)`;

  Deno.test(`${name} gives so many times the convolution`, () => {
    const next = random(outputs);
    const square = (size: number): number[][] =>
      Array.from(
        { length: size },
        () => Array.from({ length: size }, () => Math.floor(next() * 255) - 127),
      );
    for (let draw = 0; draw < 20; draw++) {
      const x = square(outputs + 2), w = square(3);
      const [v, u] = [transformed(input, x), transformed(filter, w)];
      const sums = transformed(output, v.map((row, i) => row.map((value, j) => value * u[i][j])));
      const expected = sums.map((row, y) =>
        row.map((_, column) =>
          w.reduce(
            (sum, weights, i) =>
              sum + weights.reduce((part, weight, j) => part + weight * x[y + i][column + j], 0),
            0,
          ) * scale
        )
      );
      assertEquals(sums, expected);
    }
  });

  Deno.test(`${name}: four times the accumulator comes out modulo 2^32`, () => {
    assertEquals(Math.imul(scale, toFour), 4);
  });

  Deno.test(`${name}: transformed activations and filters fit in 16 bits`, () => {
    assertEquals(bound(input, 0, 127), { 2: 508, 4: 20574 }[outputs]);
    assertEquals(bound(filter, -127, 127), { 2: 1143, 4: 6223 }[outputs]);
  });
}

/**
 * Layers of VGG16 at 224x224, a batch of them, one of an odd size, and one with a max-pool that
 * drops rows.
 */
function layers(precision: Precision): WinogradLayer[] {
  return ([
    [1, 224, 224, 64, 64, true],
    [1, 56, 56, 256, 256, false],
    [1, 14, 14, 512, 512, true],
    [8, 28, 28, 512, 512, false],
    [3, 117, 201, 128, 48, true],
    [2, 1, 3, 16, 16, false],
  ] as const).flatMap(([images, height, width, inChannels, channels, pool]) =>
    [WINOGRAD_TILE, SMALL_WINOGRAD_TILE].map((tile): WinogradLayer => {
      const shift = pool ? 1 : 0;
      return {
        precision,
        pool,
        tile,
        input: { images, height, width, channels: inChannels },
        output: { images, height: height >> shift, width: width >> shift, channels },
      };
    })
  );
}

for (const precision of ["int8", "float"] as const) {
  Deno.test(`chunks cover every patch and channel once, with what they need made before, in ${precision}`, () => {
    for (const layer of layers(precision)) {
      const { input, output, pool, tile } = layer;
      const size = pool ? tile.outputs / 2 : tile.outputs;
      const down = Math.ceil(output.height / size), across = Math.ceil(output.width / size);
      const seen = new Uint8Array(output.images * down * across * output.channels / 16);
      const workgroups = new Set<string>();
      let inputs = "", filters = "";
      for (const chunk of winogradChunks(layer)) {
        assertEquals(chunk.across, across);
        const patches = [chunk.firstImage, chunk.images, chunk.firstRow, chunk.rows].join();
        const channels = [chunk.firstChannel, chunk.channels].join();
        if (chunk.newInputs) inputs = patches;
        if (chunk.newFilters) filters = channels;
        assertEquals([inputs, filters], [patches, channels]);
        for (let n = chunk.firstImage; n < chunk.firstImage + chunk.images; n++) {
          for (let workgroup = 0; workgroup < outputWorkgroups(chunk); workgroup++) {
            workgroups.add(`${n} ${chunk.firstWorkgroup + workgroup}`);
          }
          for (let row = chunk.firstRow; row < chunk.firstRow + chunk.rows; row++) {
            for (let c = chunk.firstChannel; c < chunk.firstChannel + chunk.channels; c += 16) {
              const at = ((n * down + row) * output.channels + c) / 16 * across;
              for (let x = 0; x < across; x++) seen[at + x]++;
            }
          }
        }
        const { inputs: most, products } = scratchVectors(layer);
        const points = pointsOf(tile) * patchesOf(chunk);
        assert(points * inputVectors(precision, input.channels) <= most);
        assert(points * chunk.channels / 4 <= products);
      }
      assertEquals([...new Set(seen)], [1]);
      assertEquals(workgroups.size, output.images * winogradWorkgroups(layer));
    }
  });
}

Deno.test("in int8, the layers of VGG16 share less than 7 % of its weights' bytes", () => {
  const { model } = randomModel({
    configuration: "D",
    input: { height: 32, width: 32, channels: 3 },
    convolutions: [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
    dense: [],
  });
  const batch = { data: new Uint8Array(224 * 224 * 3), count: 1, height: 224, width: 224 };
  const needs = planLayers(compileProgram(model), "int8", batch)
    .filter(({ kernel }) => kernel === "convolution")
    .map((planned) =>
      scratchOf({ ...planned, precision: "int8", tile: defaultTile(defaultTuning(true), planned) })
    );
  const largest = (role: keyof typeof needs[number]): number =>
    Math.max(...needs.map((vectors) => vectors[role]));
  const bytes = 16 * (largest("filters") + largest("inputs") + largest("products"));
  assert(bytes > 1e6 && bytes < 0.07 * 138.3e6, `${bytes}`);
});
