/**
 * The naive convolution in WGSL: a lane for four outputs, one product after the other, exact in
 * int32. The oracle of the fast kernels, as `reference.ts` is that of whole networks: it reads the
 * same tensors, and shares none of their arithmetic.
 *
 * @module
 */

import { defineKernel, type Shape } from "../../lib/engine/webgpu/kernels/kernel.ts";

/** One convolution. */
export interface NaiveAttributes {
  readonly filterSize: readonly [height: number, width: number];
  /** Whether the maximum of 2x2 windows is taken. */
  readonly pool: boolean;
  /** Of `x`, stored with the zeros around it. */
  readonly input: Shape;
  readonly output: Shape;
}

const LANES = 64;

/**
 * Convolves int8 activations with int8 filters, stride 1; gives the sums, `[N, H, W, O / 4]`
 * vectors.
 */
export const convolveNaively = defineKernel(
  "naive-convolution",
  ["x", "weights"],
  ({ filterSize: [filterHeight, filterWidth], pool, input, output }: NaiveAttributes) => {
    const lanes = output.height * output.width * output.channels / 4;
    return {
      variant: [],
      code: () => CODE,
      parameters: {
        lanes,
        inHeight: input.height,
        inWidth: input.width,
        inChannels: input.channels,
        outWidth: output.width,
        outChannels: output.channels,
        filterHeight,
        filterWidth,
        pool: pool ? 2 : 1,
      },
      workgroupSize: LANES,
      workgroups: [Math.ceil(lanes / LANES), 1, output.images],
    };
  },
);

const CODE = `
fn byteOf(vector: vec4<u32>, i: i32) -> i32 {
  return extractBits(i32(vector[i / 4]), u32(i % 4) * 8u, 8u);
}

fn activation(image: i32, y: i32, x: i32, c: i32) -> i32 {
  let pixel = (image * parameters.inHeight + y) * parameters.inWidth + x;
  return byteOf(load_x(pixel * (parameters.inChannels / 16) + c / 16), c % 16);
}

fn weight(o: i32, ky: i32, kx: i32, c: i32) -> i32 {
  let tap = (o / 16 * parameters.filterHeight + ky) * parameters.filterWidth + kx;
  let sixteen = tap * (parameters.inChannels / 16) + c / 16;
  return byteOf(load_weights(sixteen * 16 + o % 4 * 4 + o / 4 % 4), c % 16);
}

fn sumAt(image: i32, y: i32, x: i32, o: i32) -> i32 {
  var sum = 0;
  for (var ky = 0; ky < parameters.filterHeight; ky++) {
    for (var kx = 0; kx < parameters.filterWidth; kx++) {
      for (var c = 0; c < parameters.inChannels; c++) {
        sum += activation(image, y + ky, x + kx, c) * weight(o, ky, kx, c);
      }
    }
  }
  return sum;
}

fn main() {
  let lane = i32(globalId.x);
  if (lane >= parameters.lanes) {
    return;
  }
  let image = i32(workgroupId.z);
  let pixel = lane / (parameters.outChannels / 4);
  let o = lane % (parameters.outChannels / 4) * 4;
  let y0 = pixel / parameters.outWidth * parameters.pool;
  let x0 = pixel % parameters.outWidth * parameters.pool;
  var values: vec4<i32>;
  for (var k = 0; k < 4; k++) {
    var largest = sumAt(image, y0, x0, o + k);
    for (var i = 1; i < parameters.pool * parameters.pool; i++) {
      largest = max(largest, sumAt(image, y0 + i / 2, x0 + i % 2, o + k));
    }
    values[k] = largest;
  }
  store(image * parameters.lanes + lane, bitcast<vec4<u32>>(values));
}
`;
