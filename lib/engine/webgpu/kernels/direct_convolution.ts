/** Convolution by definition: one program, whatever its tile. */

import type { Precision } from "../../engine.ts";
import { CHANNEL_MULTIPLE, defineKernel, DOT16, partsOf, type Shape } from "./kernel.ts";
import {
  accumulator,
  type ConvolutionAttributes,
  declareAccumulators,
  type LaneTile,
  outputCode,
  outputParameters,
  writeOutputs,
} from "./output.ts";

/** How outputs are cut into lanes and workgroups. Changes no result. */
export interface DirectTile extends LaneTile {
  /** Lanes of a workgroup that share pixels, and lanes that share channels. */
  readonly channelLanes: number;
  readonly pixelLanes: number;
  /**
   * `"row"` loads the inputs of a filter's row once; `"tap"` loads those of each tap, in a smaller
   * program.
   */
  readonly loop: "tap" | "row";
  /** Whether a workgroup's lanes share what they load, in workgroup memory. Only with `"tap"`. */
  readonly staged: boolean;
}

/** A tile's name: `2x4x8 8x8 tap staged`. */
export function directName(
  { rows, columns, channels, channelLanes, pixelLanes, loop, staged }: DirectTile,
): string {
  const name = `${rows}x${columns}x${channels} ${channelLanes}x${pixelLanes} ${loop}`;
  return staged ? `${name} staged` : name;
}

export interface DirectAttributes extends ConvolutionAttributes {
  readonly filterSize: readonly [height: number, width: number];
  /** Zeros around `x` that are not stored: 0 with int8, whose activations have theirs. */
  readonly padding: 0 | 1;
  readonly tile: DirectTile;
}

/** Workgroups of a convolution: of a part's pixels, of channels, of images' parts. */
export function directWorkgroups(
  { output, pool, tile }: Pick<DirectAttributes, "output" | "pool" | "tile">,
): [number, number, number] {
  const { down, across } = tiles(output, pool, tile);
  const { parts, size } = partsOf(Math.ceil(down * across / tile.pixelLanes));
  const channels = Math.ceil(output.channels / (tile.channels * tile.channelLanes));
  return [size, channels, output.images * parts];
}

function tiles(
  output: Shape,
  pool: boolean,
  { rows, columns }: LaneTile,
): { down: number; across: number } {
  const stride = pool ? 2 : 1;
  return {
    down: Math.ceil(output.height * stride / rows),
    across: Math.ceil(output.width * stride / columns),
  };
}

/**
 * Convolves activations `x` with int8 `weights`, stride 1. With int8, gives the layer's values and
 * the maximum that each workgroup saw, and `scales` is its state; with float, gives activations,
 * and `scales` are its constants.
 */
export const convolve = defineKernel(
  "convolution",
  ["x", "weights", "scales"],
  (attributes: DirectAttributes) => {
    const { precision, filterSize, padding, pool, input, output, tile } = attributes;
    const workgroups = directWorkgroups(attributes);
    return {
      variant: [
        precision,
        filterSize.join("x"),
        `padding ${padding}`,
        ...pool ? ["pool"] : [],
        directName(tile),
      ],
      code: () => directCode(attributes),
      parameters: {
        inHeight: input.height,
        inWidth: input.width,
        sixteens: input.channels / CHANNEL_MULTIPLE,
        tilesAcross: tiles(output, pool, tile).across,
        parts: workgroups[2] / output.images,
        ...outputParameters(attributes),
      },
      workgroupSize: tile.channelLanes * tile.pixelLanes,
      workgroups,
    };
  },
);

function directCode(attributes: DirectAttributes): string {
  const { precision, filterSize, padding, pool, tile } = attributes;
  const { rows, columns, channels, channelLanes } = tile;
  return `
${precision === "int8" ? DOT16 : ""}
${outputCode(precision)}
${inputCode(precision, padding)}
${tile.staged ? stagedDeclarations(attributes) : ""}
fn main() {
  let lane = i32(localIndex);
  let image = i32(workgroupId.z) / parameters.parts;
  let part = i32(workgroupId.z) % parameters.parts;
  let quad0 = i32(workgroupId.y) * ${channelLanes * channels / 4} + lane % ${channelLanes};
  let workgroupTile = (part * i32(numWorkgroups.x) + i32(workgroupId.x)) * ${tile.pixelLanes};
  let pixelTile = workgroupTile + lane / ${channelLanes};
  let y0 = pixelTile / parameters.tilesAcross * ${rows};
  let x0 = pixelTile % parameters.tilesAcross * ${columns};
  let block = ${filterSize[0] * filterSize[1] * 16} * parameters.sixteens;
  ${weightRows(tile)}
  ${declareAccumulators(tile, precision)}
  ${tile.staged ? stagedLoop(attributes) : directLoop(attributes)}
  ${writeOutputs(tile, precision, pool, channelLanes)}
  writeMaximum();
}
`;
}

/** Declares `input(image, y, x, vector)`, which loads a vector of `x`. */
function inputCode(precision: Precision, padding: number): string {
  const vectors = precision === "int8" ? "parameters.sixteens" : "parameters.sixteens * 4";
  const at =
    `((image * parameters.inHeight + y - ${padding}) * parameters.inWidth + x - ${padding}) * ${vectors} + vector`;
  if (padding === 0) {
    return `
fn input(image: i32, y: i32, x: i32, vector: i32) -> vec4<u32> {
  return load_x(${at});
}
`;
  }
  // No branch: a compiler would have one for each load.
  return `
fn input(image: i32, y: i32, x: i32, vector: i32) -> vec4<u32> {
  let isInside = y >= ${padding} && x >= ${padding} && y < parameters.inHeight + ${padding} && x < parameters.inWidth + ${padding};
  return select(vec4<u32>(), load_x(select(0, ${at}, isInside)), isInside);
}
`;
}

/** `weights<j>`: where the filters of each quad of the lane begin. */
function weightRows({ channels, channelLanes }: DirectTile): string {
  const lines: string[] = [];
  for (let j = 0; j < channels; j += 4) {
    const quad = `(quad0 + ${j / 4 * channelLanes})`;
    lines.push(`let weights${j} = (${quad} >> 2u) * block + (${quad} & 3);`);
  }
  return lines.join("\n  ");
}

/** Loads a pixel's sixteen channels as `name`: one vector, or with float four. */
function loadPixel(precision: Precision, name: string, vector: (k: number) => string): string {
  if (precision === "int8") return `let ${name} = ${vector(0)};`;
  return [0, 1, 2, 3].map((k) => `let ${name}_${k} = bitcast<vec4<f32>>(${vector(k)});`).join(" ");
}

/** Multiplies one filter vector with the pixels that it meets and adds the products. */
function multiply(
  precision: Precision,
  { rows, columns }: LaneTile,
  channel: number,
  load: string,
  pixel: (row: number, column: number) => string,
): string {
  const lines = [`{ let w = ${load};`];
  if (precision === "float") {
    for (let k = 0; k < 4; k++) lines.push(`let w_${k} = vec4<f32>(unpack4xI8(w[${k}]));`);
  }
  for (let r = 0; r < rows; r++) {
    for (let q = 0; q < columns; q++) {
      const x = pixel(r, q);
      const product = precision === "int8"
        ? `dot16(${x}, w)`
        : [0, 1, 2, 3].map((k) => `dot(${x}_${k}, w_${k})`).join(" + ");
      lines.push(`${accumulator(r, q, channel)} += ${product};`);
    }
  }
  return lines.join(" ") + " }";
}

/** Vectors that a lane loads from memory in a pass of the loop, each written out. */
export function loadsOf(
  { rows, columns, channels, loop, staged }: DirectTile,
  [, filterWidth]: DirectAttributes["filterSize"],
): number {
  if (staged) return 0; // A loop loads them.
  const taps = loop === "row" ? filterWidth : 1;
  return rows * (columns + taps - 1) + channels * taps;
}

/**
 * One pass has one vector of each pixel: in float, a quarter of sixteen channels. With all four, a compiler has
 * four times the loads before it: SwiftShader's took minutes and gigabytes.
 */
function directLoop({ precision, filterSize, tile }: DirectAttributes): string {
  const { rows, columns, channels, loop } = tile;
  const isFloat = precision === "float";
  // Taps of a filter's row that one pass of the loop covers.
  const taps = loop === "row" ? filterSize[1] : 1;
  const kx = loop === "row" ? "0" : "kx";
  const lines: string[] = [];
  for (let r = 0; r < rows; r++) {
    for (let q = 0; q < columns + taps - 1; q++) {
      const load = `input(image, y0 + ky + ${r}, x0 + ${kx} + ${q}, vector)`;
      lines.push(`let x_${r}_${q} = ${isFloat ? `bitcast<vec4<f32>>(${load})` : load};`);
    }
  }
  for (let j = 0; j < channels; j++) {
    for (let tap = 0; tap < taps; tap++) {
      const row = `weights${j - j % 4} + ${j % 4 * 4}`;
      const sixteen = isFloat ? "(vector >> 2u)" : "vector";
      const offset = `((ky * ${
        filterSize[1]
      } + ${kx} + ${tap}) * parameters.sixteens + ${sixteen}) * 16`;
      const load = `load_weights(${row} + ${offset})`;
      const w = isFloat ? `vec4<f32>(unpack4xI8(${load}[vector & 3]))` : load;
      const sums = [`{ let w = ${w};`];
      for (let r = 0; r < rows; r++) {
        for (let q = 0; q < columns; q++) {
          const product = `${isFloat ? "dot" : "dot16"}(x_${r}_${q + tap}, w)`;
          sums.push(`${accumulator(r, q, j)} += ${product};`);
        }
      }
      lines.push(sums.join(" ") + " }");
    }
  }
  const body = lines.join("\n      ");
  return `for (var ky = 0; ky < ${filterSize[0]}; ky++) {
    ${loop === "tap" ? `for (var kx = 0; kx < ${filterSize[1]}; kx++) {` : ""}
    for (var vector = 0; vector < parameters.sixteens${isFloat ? " * 4" : ""}; vector++) {
      ${body}
    }
    ${loop === "tap" ? "}" : ""}
  }`;
}

/** Vectors that a workgroup stages in each pass. */
function stagedCounts({ precision, tile }: DirectAttributes): { x: number; weights: number } {
  const { rows, columns, channels, channelLanes, pixelLanes } = tile;
  return {
    x: pixelLanes * rows * columns * (precision === "int8" ? 1 : 4),
    weights: channelLanes * channels,
  };
}

function stagedDeclarations(attributes: DirectAttributes): string {
  const { x, weights } = stagedCounts(attributes);
  return `
var<workgroup> stagedX: array<vec4<u32>, ${x}>;
var<workgroup> stagedWeights: array<vec4<u32>, ${weights}>;
`;
}

function stagedLoop(attributes: DirectAttributes): string {
  const { precision, filterSize: [filterHeight, filterWidth], tile } = attributes;
  const { rows, columns, channels, channelLanes, pixelLanes } = tile;
  const lanes = channelLanes * pixelLanes;
  const vectors = precision === "int8" ? 1 : 4;
  const pixels = rows * columns;
  const counts = stagedCounts(attributes);
  const lines: string[] = [];
  for (let r = 0; r < rows; r++) {
    for (let q = 0; q < columns; q++) {
      const at = `xLane + ${(r * columns + q) * vectors}`;
      lines.push(loadPixel(precision, `x_${r}_${q}`, (k) => `stagedX[${at} + ${k}]`));
    }
  }
  for (let j = 0; j < channels; j++) {
    const at = `(lane % ${channelLanes} + ${Math.floor(j / 4) * channelLanes}) * 4 + ${j % 4}`;
    lines.push(multiply(precision, tile, j, `stagedWeights[${at}]`, (r, q) => `x_${r}_${q}`));
  }
  return `let xLane = lane / ${channelLanes} * ${pixels * vectors};
  let workgroupQuad = i32(workgroupId.y) * ${channelLanes * channels / 4};
  for (var ky = 0; ky < ${filterHeight}; ky++) {
    for (var kx = 0; kx < ${filterWidth}; kx++) {
    for (var c = 0; c < parameters.sixteens; c++) {
      workgroupBarrier();
      for (var i = lane; i < ${counts.x}; i += ${lanes}) {
        let pixel = i / ${vectors} % ${pixels};
        let tile = workgroupTile + i / ${pixels * vectors};
        let y = tile / parameters.tilesAcross * ${rows} + pixel / ${columns};
        let x = tile % parameters.tilesAcross * ${columns} + pixel % ${columns};
        stagedX[i] = input(image, y + ky, x + kx, c * ${vectors} + i % ${vectors});
      }
      for (var i = lane; i < ${counts.weights}; i += ${lanes}) {
        let quad = workgroupQuad + i / 4;
        let row = (quad >> 2u) * block + (quad & 3) + i % 4 * 4;
        stagedWeights[i] = load_weights(row + ((ky * ${filterWidth} + kx) * parameters.sixteens + c) * 16);
      }
      workgroupBarrier();
      ${lines.join("\n      ")}
    }
    }
  }`;
}
