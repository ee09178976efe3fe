/**
 * Makes the 7-bit activations of the next layer from the values of one.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { defineKernel, type Dispatch } from "./kernel.ts";
import { type Size, stateWords } from "./layout.ts";
import { FIXED_POINT } from "./wgsl.ts";

/** What is quantized. */
export interface RequantizeAttributes {
  /** Of the values. */
  readonly size: Size;
  /** Zeros to put around the activations. */
  readonly padding: 0 | 1;
  /** Output channels of the next layer, padded to a multiple of 16: its state holds the divisor. */
  readonly nextChannels: number;
}

/** Sizes of activations with their padding. */
export function paddedSize(size: Size, padding: 0 | 1): Size {
  return { ...size, height: size.height + 2 * padding, width: size.width + 2 * padding };
}

const LANES = 64;

/** Step 10: `values` of a layer and the `state` of the next give packed activations, padding included. */
export const requantize = defineKernel(
  "VggRequantize",
  (
    { values, state }: { values: TensorInfo; state: TensorInfo },
    { size, padding, nextChannels }: RequantizeAttributes,
  ): Dispatch => {
    const padded = paddedSize(size, padding);
    const vectorsPerRow = padded.width * padded.channels / 16;
    return {
      key: `vgg-requantize,${size.channels},${padding},${nextChannels}`,
      code: requantizeCode(size.channels, padding, nextChannels),
      inputs: [
        { name: "values", tensor: values, components: 4 },
        { name: "state", tensor: state, components: 1 },
      ],
      uniforms: { height: size.height, width: size.width, vectorsPerRow },
      workgroupSize: [LANES, 1, 1],
      workgroups: [Math.ceil(vectorsPerRow / LANES), padded.height, padded.images],
      outputWords: padded.images * padded.height * vectorsPerRow * 4,
      outputComponents: 4,
    };
  },
);

function requantizeCode(channels: number, padding: number, nextChannels: number): string {
  const vectors = channels / 16;
  return `
${FIXED_POINT}
fn quantize(v: vec4<i32>, z: u32, r: i32) -> i32 {
  var word = 0u;
  for (var i = 0u; i < 4u; i++) {
    let x = (mulhi(max(v[i], 0) << z, r) + ${2 ** 21}) >> 22u;
    word |= u32(x) << (8u * i);
  }
  return i32(word);
}

fn main() {
  let column = i32(globalId.x);
  if (column >= uniforms.vectorsPerRow) {
    return;
  }
  let image = i32(workgroupId.z);
  let y = i32(workgroupId.y) - ${padding};
  let x = column / ${vectors} - ${padding};
  var words = vec4<i32>();
  if (y >= 0 && x >= 0 && y < uniforms.height && x < uniforms.width) {
    let z = u32(state[image * ${stateWords(nextChannels)} + 3]);
    let r = state[image * ${stateWords(nextChannels)} + 4];
    let at = ((image * uniforms.height + y) * uniforms.width + x) * ${vectors * 4} +
      (column % ${vectors}) * 4;
    for (var i = 0; i < 4; i++) {
      words[i] = quantize(values[at + i], z, r);
    }
  }
  result[(image * i32(numWorkgroups.y) + i32(workgroupId.y)) * uniforms.vectorsPerRow + column] = words;
}
`;
}
