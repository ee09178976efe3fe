/**
 * Makes the 7-bit activations of the next layer from the values of one.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { defineKernel, type Dispatch } from "./kernel.ts";
import { CHANNEL_STEP, padded, type Size, stateVectors } from "./layout.ts";
import { FIXED_POINT } from "./wgsl.ts";

/** What is quantized. */
export interface RequantizeAttributes {
  /** Of the values. */
  readonly size: Size;
  /** Zeros to put around the activations. */
  readonly padding: 0 | 1;
  /** Output channels of the next layer, rounded up: its state holds the divisor. */
  readonly nextChannels: number;
}

const LANES = 64;

/** Step 10: `values` of a layer and the `state` of the next give activations, with their padding. */
export const requantize = defineKernel<
  { values: TensorInfo; state: TensorInfo },
  RequantizeAttributes
>("VggRequantize", ({ size, padding, nextChannels }): Dispatch => {
  const { height, width, images } = padded(size, padding);
  const groups = size.channels / CHANNEL_STEP;
  return {
    key: "vgg-requantize",
    code: () => CODE,
    parameters: {
      height: size.height,
      width: size.width,
      padding,
      groups,
      vectorsPerRow: width * groups,
      stateStride: stateVectors(nextChannels),
    },
    workgroupSize: LANES,
    workgroups: [Math.ceil(width * groups / LANES), height, images],
  };
});

const CODE = `
${FIXED_POINT}
fn quantize(values: vec4<u32>, z: u32, r: i32) -> u32 {
  let v = max(bitcast<vec4<i32>>(values), vec4<i32>()) << vec4<u32>(z);
  let x = (vec4<i32>(mulhi(v.x, r), mulhi(v.y, r), mulhi(v.z, r), mulhi(v.w, r)) +
    vec4<i32>(${2 ** 21})) >> vec4<u32>(22u);
  return u32(x.x) | (u32(x.y) << 8u) | (u32(x.z) << 16u) | (u32(x.w) << 24u);
}

fn main() {
  let column = i32(globalId.x);
  if (column >= parameters.vectorsPerRow) {
    return;
  }
  let image = i32(workgroupId.z);
  let y = i32(workgroupId.y) - parameters.padding;
  let x = column / parameters.groups - parameters.padding;
  var vector = vec4<u32>();
  if (y >= 0 && x >= 0 && y < parameters.height && x < parameters.width) {
    let scale = bitcast<vec4<i32>>(load_state(image * parameters.stateStride + 1));
    let pixel = (image * parameters.height + y) * parameters.width + x;
    let source = (pixel * parameters.groups + column % parameters.groups) * 4;
    for (var i = 0; i < 4; i++) {
      vector[i] = quantize(load_values(source + i), u32(scale.x), scale.y);
    }
  }
  store((image * i32(numWorkgroups.y) + i32(workgroupId.y)) * parameters.vectorsPerRow + column, vector);
}
`;
