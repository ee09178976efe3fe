/**
 * What a run of the network consists of: the sizes and the kernel's tile of each layer.
 *
 * @module
 */

import type { Batch } from "../engine.ts";
import type { Program, ProgramLayer } from "../program.ts";
import { outputSize, type Tile } from "./convolution.ts";
import { padChannels, type Size } from "./layout.ts";
import { paddedSize } from "./requantize.ts";

/** One layer of a run. */
export interface LayerPlan {
  readonly layer: ProgramLayer;
  readonly index: number;
  /** Of what the layer reads, with its padding; the first layer's is the image, without. */
  readonly input: Size;
  /** Whether its max-pool is taken. */
  readonly pool: boolean;
  /** Of its values, after the max-pool. */
  readonly output: Size;
  readonly tile: Tile;
}

/**
 * Plans the layers up to one, which is named as in the paper: `conv1_2`, `pool1`, `fc7`, ….
 *
 * @throws {RangeError} If there is no such layer, or the batch does not fit the network.
 */
export function planLayers(program: Program, batch: Batch, last?: string): LayerPlan[] {
  checkBatch(program, batch);
  const final = program.layers.at(-1)!;
  const name = last ?? final.pool ?? final.name;
  const end = program.layers.findIndex((layer) => layer.name === name || layer.pool === name);
  if (end < 0) {
    const names = program.layers.flatMap((layer) => [layer.name, layer.pool ?? []].flat());
    throw new RangeError(`There is no layer ${name}: expected one of ${names.join(", ")}`);
  }
  let size: Size = {
    images: batch.count,
    height: batch.height,
    width: batch.width,
    channels: program.input.channels,
  };
  return program.layers.slice(0, end + 1).map((layer, index) => {
    const padded = paddedSize(size, layer.padding);
    const pool = layer.pool !== undefined && !(index === end && layer.name === name);
    const outChannels = padChannels(layer.outChannels);
    const output = outputSize({ kernel: layer.kernel, pool, input: padded, outChannels });
    const input = index === 0 ? size : padded;
    size = output;
    return { layer, index, input, pool, output, tile: defaultTile(output, pool) };
  });
}

function checkBatch(program: Program, { data, count, height, width }: Batch): void {
  const { input } = program;
  if (!(height >= input.height && width >= input.width)) {
    throw new RangeError(
      `The input must be at least ${input.height}x${input.width}: found ${height}x${width}`,
    );
  }
  const expected = count * height * width * input.channels;
  if (!(count >= 1) || data.length !== expected) {
    throw new RangeError(
      `A batch of ${count} images of ${height}x${width}x${input.channels} has ${expected} bytes: found ${data.length}`,
    );
  }
}

function defaultTile(output: Size, pool: boolean): Tile {
  if (output.height * output.width === 1 && !pool) {
    return { rows: 1, columns: 1, channels: 1, channelLanes: 16, pixelLanes: 1 };
  }
  return {
    rows: 2,
    columns: 4,
    channels: output.channels % 32 === 0 ? 8 : 4,
    channelLanes: 4,
    pixelLanes: 8,
  };
}
