/**
 * Winograd's transforms of filters and of inputs: what {@linkcode multiplyPoints} multiplies.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Precision } from "../../engine.ts";
import { defineKernel, type Dispatch } from "./kernel.ts";
import type { Size } from "./layout.ts";
import { transform, WINOGRAD, type WinogradTile } from "./winograd.ts";
import { type Chunk, inputVectors } from "./winograd_chunks.ts";

const LANES = 64;

/** The filters of a chunk. */
export interface FilterAttributes {
  readonly outputs: WinogradTile["outputs"];
  /** Input channels. */
  readonly channels: number;
  readonly chunk: Chunk;
}

/**
 * Transforms int8 filters to 16-bit integers: `[points, O / 16, I / 8, 4, 4]` vectors of eight input channels. Of sixteen output
 * channels, `o` lies at `[o % 4, o / 4]`, as in the weights.
 */
export const transformFilters = defineKernel<{ weights: TensorInfo }, FilterAttributes>(
  "VggWinogradFilters",
  ({ outputs, channels, chunk }): Dispatch => {
    const lanes = chunk.channels * channels / 8;
    return {
      key: `vgg-winograd-filters,${outputs}`,
      code: () => filterCode(outputs),
      parameters: {
        lanes,
        eights: channels / 8,
        firstBlock: chunk.firstChannel / 16,
      },
      workgroupSize: LANES,
      workgroups: [Math.ceil(lanes / LANES), 1, 1],
    };
  },
);

function filterCode(outputs: WinogradTile["outputs"]): string {
  const { filter } = WINOGRAD[outputs];
  const loads = [0, 1, 2].flatMap((y) =>
    [0, 1, 2].map((x) =>
      `let w_${y}_${x} = pairs(load_weights(first + ${
        3 * y + x
      } * (parameters.eights >> 1u) * 16), half);`
    )
  );
  return `
${PAIRS}
fn main() {
  let index = i32(globalId.x);
  if (index >= parameters.lanes) {
    return;
  }
  let eight = index / 16 % parameters.eights;
  let block = parameters.firstBlock + index / 16 / parameters.eights;
  let first = (block * 9 * (parameters.eights >> 1u) + (eight >> 1u)) * 16 + index % 16;
  let half = (eight & 1) == 1;
  ${loads.join("\n  ")}
  ${transform(filter, "w", "u", "i32")}
  ${storePoints(filter.length, "u", "i32")}
}
`;
}

/** The inputs of a chunk. */
export interface InputAttributes {
  readonly precision: Precision;
  readonly outputs: WinogradTile["outputs"];
  /** Of `x`, as it is stored, and the zeros around it that are not. */
  readonly input: Size;
  readonly padding: 0 | 1;
  readonly chunk: Chunk;
}

/**
 * Transforms tiles of activations, which overlap by two rows and columns: `[points, tiles, C / 8]` vectors of eight 16-bit integers,
 * or with float `[points, tiles, C / 4]`.
 */
export const transformInputs = defineKernel<{ x: TensorInfo }, InputAttributes>(
  "VggWinogradInputs",
  ({ precision, outputs, input, padding, chunk }): Dispatch => {
    const vectors = inputVectors(precision, input.channels);
    const lanes = chunk.rows * chunk.across * vectors;
    return {
      key: `vgg-winograd-inputs,${precision},${outputs}`,
      code: () => inputCode(precision, outputs),
      parameters: {
        lanes: lanes * chunk.images,
        lanesPerImage: lanes,
        vectors,
        across: chunk.across,
        firstImage: chunk.firstImage,
        firstRow: chunk.firstRow,
        height: input.height,
        width: input.width,
        padding,
      },
      workgroupSize: LANES,
      workgroups: [Math.ceil(lanes / LANES), 1, chunk.images],
    };
  },
);

function inputCode(precision: Precision, outputs: WinogradTile["outputs"]): string {
  const integer = precision === "int8";
  const type = integer ? "i32" : "f32";
  const { input } = WINOGRAD[outputs];
  const loads = input.flatMap((_, y) =>
    input.map((_, x) => `let x_${y}_${x} = input(image, y0 + ${y}, x0 + ${x}, vector);`)
  );
  const load = integer
    ? "pairs(load_x(pixel * (parameters.vectors >> 1u) + (vector >> 1u)), (vector & 1) == 1)"
    : "bitcast<vec4<f32>>(load_x(pixel * parameters.vectors + vector))";
  return `
${integer ? PAIRS : ""}
fn input(image: i32, y: i32, x: i32, vector: i32) -> vec4<${type}> {
  // What lies outside must not be read: it is no activation, and would disturb the tile's outputs inside.
  if (y < 0 || x < 0 || y >= parameters.height || x >= parameters.width) {
    return vec4<${type}>();
  }
  let pixel = (image * parameters.height + y) * parameters.width + x;
  return ${load};
}

fn main() {
  let lane = i32(globalId.x);
  if (lane >= parameters.lanesPerImage) {
    return;
  }
  let image = parameters.firstImage + i32(workgroupId.z);
  let index = i32(workgroupId.z) * parameters.lanesPerImage + lane;
  let vector = lane % parameters.vectors;
  let tile = lane / parameters.vectors;
  let y0 = (parameters.firstRow + tile / parameters.across) * ${outputs} - parameters.padding;
  let x0 = tile % parameters.across * ${outputs} - parameters.padding;
  ${loads.join("\n  ")}
  ${transform(input, "x", "v", type)}
  ${storePoints(input.length, "v", type)}
}
`;
}

/** Stores `<name>_<row>_<column>` of each point at `index`. */
function storePoints(size: number, name: string, type: "i32" | "f32"): string {
  const value = (point: string): string =>
    type === "i32" ? `split(${point})` : `bitcast<vec4<u32>>(${point})`;
  return Array.from({ length: size * size }, (_, p) => {
    const point = `${name}_${Math.floor(p / size)}_${p % size}`;
    return `store(${p} * parameters.lanes + index, ${value(point)});`;
  }).join("\n  ");
}

/**
 * Two 16-bit integers in a word are transformed together, as `low + high * 2^16`: sums and multiples of such words are those
 * of their parts. `split` takes them apart: a low part below 0 has borrowed from the high one.
 */
const PAIRS = `
// Eight of sixteen signed bytes: channels 0 to 3 low, channels 4 to 7 high.
fn pairs(bytes: vec4<u32>, upper: bool) -> vec4<i32> {
  let words = select(bytes.xy, bytes.zw, upper);
  return unpack4xI8(words.x) + (unpack4xI8(words.y) << vec4<u32>(16u));
}

fn split(pairs: vec4<i32>) -> vec4<u32> {
  let words = bitcast<vec4<u32>>(pairs);
  return words + ((words & vec4<u32>(0x8000u)) << vec4<u32>(1u));
}
`;
