/**
 * The convolution kernel: all layers but the first, dense ones included.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { accumulator, epilogueCode } from "./epilogue.ts";
import { defineKernel, type Dispatch } from "./kernel.ts";
import { CHANNELS_PER_VECTOR, elements, type Size } from "./layout.ts";

/** How outputs are cut into lanes and workgroups. Changes no result. */
export interface Tile {
  /** Output pixels of one lane. Both even where a max-pool follows. */
  readonly rows: number;
  readonly columns: number;
  /** Output channels of one lane. */
  readonly channels: number;
  /** Lanes of a workgroup: side by side along the channels, times along the columns. */
  readonly channelLanes: number;
  readonly pixelLanes: number;
}

/** What one convolution is. */
export interface ConvolutionAttributes {
  readonly kernel: readonly [height: number, width: number];
  readonly relu: boolean;
  /** Whether the maximum of 2x2 windows is taken. */
  readonly pool: boolean;
  /** Of `x`, with its padding. */
  readonly input: Size;
  /** Padded to a multiple of 16. */
  readonly outChannels: number;
  readonly tile: Tile;
}

/** Sizes of the values of a convolution. */
export function outputSize(
  { kernel, pool, input, outChannels }: Omit<ConvolutionAttributes, "tile" | "relu">,
): Size {
  const shift = pool ? 1 : 0;
  return {
    images: input.images,
    height: (input.height - kernel[0] + 1) >> shift,
    width: (input.width - kernel[1] + 1) >> shift,
    channels: outChannels,
  };
}

/**
 * Convolves 7-bit activations `x` with int8 `weights`, stride 1, and gives the values `v` of the layer and
 * the maximum that each workgroup saw. `state` is the layer's.
 */
export const convolve = defineKernel(
  "VggConvolution",
  (inputs: { x: TensorInfo; weights: TensorInfo; state: TensorInfo }, a: ConvolutionAttributes) =>
    planConvolution(inputs, a),
);

function planConvolution(
  { x, weights, state }: { x: TensorInfo; weights: TensorInfo; state: TensorInfo },
  attributes: ConvolutionAttributes,
): Dispatch {
  const { kernel, relu, pool, input, outChannels, tile } = attributes;
  const out = outputSize(attributes);
  const step = pool ? 2 : 1;
  const tilesAcross = Math.ceil(out.width * step / (tile.columns * tile.pixelLanes));
  const tilesDown = Math.ceil(out.height * step / tile.rows);
  const workgroups: [number, number, number] = [
    tilesAcross * tilesDown,
    outChannels / (tile.channels * tile.channelLanes),
    input.images,
  ];
  return {
    key: [
      "vgg-convolution",
      ...kernel,
      input.channels,
      outChannels,
      relu,
      pool,
      ...Object.values(tile),
    ]
      .join(),
    code: convolutionCode(attributes),
    inputs: [
      { name: "x", tensor: x, components: 4 },
      { name: "weights", tensor: weights, components: 4 },
      { name: "state", tensor: state, components: 1 },
    ],
    uniforms: {
      inHeight: input.height,
      inWidth: input.width,
      outHeight: out.height,
      outWidth: out.width,
      tilesAcross,
      maximaOffset: elements(out),
    },
    workgroupSize: [tile.channelLanes, tile.pixelLanes, 1],
    workgroups,
    outputWords: elements(out) + workgroups[0] * workgroups[1] * workgroups[2],
  };
}

function convolutionCode(
  { kernel, relu, pool, input, outChannels, tile }: ConvolutionAttributes,
): string {
  const { rows, columns, channels, channelLanes, pixelLanes } = tile;
  const vectors = input.channels / CHANNELS_PER_VECTOR;
  const step = pool ? 2 : 1;
  const lines = { declare: [] as string[], load: [] as string[], add: [] as string[] };
  for (let r = 0; r < rows; r++) {
    for (let q = 0; q < columns; q++) {
      lines.load.push(
        `let x_${r}_${q} = bitcast<vec4<u32>>(x[xRow + (${r} * uniforms.inWidth + ${q}) * ${vectors}]);`,
      );
    }
  }
  for (let j = 0; j < channels; j++) {
    lines.add.push(`{ let w = bitcast<vec4<u32>>(weights[weightRow + ${weightOffset(j)}]);`);
    for (let r = 0; r < rows; r++) {
      for (let q = 0; q < columns; q++) {
        lines.declare.push(`var<private> ${accumulator(r, q, j)}: i32;`);
        lines.add.push(`${accumulator(r, q, j)} += dot16(x_${r}_${q}, w);`);
      }
    }
    lines.add.push("}");
  }
  function weightOffset(j: number): string {
    // Channel o + step lies in this block of 16 or in a later one.
    const channel = `(o + ${j * channelLanes})`;
    return `((${channel} >> 4u) * ${kernel[0] * kernel[1] * vectors} * 16 + (${channel} & 15))`;
  }
  return `
${lines.declare.join("\n")}
${
    epilogueCode({
      rows,
      columns,
      channels,
      channelStep: channelLanes,
      outChannels,
      relu,
      pool,
    })
  }
fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) +
    dot4I8Packed(a.w, b.w);
}

fn main() {
  let image = i32(workgroupId.z);
  let o = i32(workgroupId.y) * ${channels * channelLanes} + i32(localId.x);
  let tileY = i32(workgroupId.x) / uniforms.tilesAcross;
  let tileX = (i32(workgroupId.x) - tileY * uniforms.tilesAcross) * ${pixelLanes} + i32(localId.y);
  let y0 = tileY * ${rows};
  let x0 = tileX * ${columns};
  for (var ky = 0; ky < ${kernel[0]}; ky++) {
    for (var kx = 0; kx < ${kernel[1]}; kx++) {
      let xTap = ((image * uniforms.inHeight + y0 + ky) * uniforms.inWidth + x0 + kx) * ${vectors};
      let weightTap = (ky * ${kernel[1]} + kx) * ${vectors * 16};
      for (var c = 0; c < ${vectors}; c++) {
        let xRow = xTap + c;
        let weightRow = weightTap + c * 16;
        ${lines.load.join("\n        ")}
        ${lines.add.join("\n        ")}
      }
    }
  }
  writeValues(image, y0 / ${step}, x0 / ${step}, o);
}
`;
}
