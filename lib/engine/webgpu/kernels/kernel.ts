/**
 * What the kernels have in common: how one is defined, how tensors are laid out, and arithmetic.
 *
 * A vector is four 32-bit words. What the vectors of each tensor are:
 *
 * - Activations `x`, int8: `[N, H + 2p, W + 2p, C / 16]`, sixteen channels a vector, low byte
 *   first, with the zeros around the image that the next layer's padding `p` asks for. Float:
 *   `[N, H, W, C / 4]`.
 * - Weights: `[O / 16, filterHeight, filterWidth, I / 16, 4, 4]`, sixteen input channels of one
 *   output channel a vector. Of sixteen output channels, `o` lies at `[o % 4, o / 4]`, so that
 *   neighboring lanes, which compute four channels each, load neighboring vectors.
 * - Weights of the first layer: `[O / 4, 9]`, four output channels a vector, the input channels of
 *   each in the bytes of a word.
 * - Constants: `[O / 4, 2]`: multipliers and biases; with float, scales and biases.
 * - Values `v`: `[N, H, W, O / 4]`, then `[N, workgroups]`: the maximum that each workgroup saw.
 * - State, one per layer and image: `Um, Ue, E` of the layer that begins; `z, R`, with which the
 *   values of the layer that ended are quantized; then `[O / 4, 2]`: `M` and `B`.
 * - Image: `[N, H, ceil(W / 4)]`, four pixels a vector, channels in the bytes of a word.
 *
 * `C`, `I` and `O` are rounded up to multiples of 16; what is added is 0.
 */

import { type Dispatch, registerStep, type Step, type Tensor } from "../device/tfjs.ts";

/** Makes a step of a kernel; what it computes goes into `output`. */
export type Kernel<Inputs extends string, Attributes> = (
  inputs: Readonly<Record<Inputs, Tensor>>,
  attributes: Attributes,
  output: Tensor,
) => Step;

/** A kernel's dispatch, for some attributes. Its name is the kernel's, then the variant. */
export interface KernelDispatch extends Omit<Dispatch, "name"> {
  /** Everything that `code` was generated from. */
  readonly variant: readonly (string | number)[];
}

/** Registers a kernel. The order of `inputs` is that of their bindings. */
export function defineKernel<Inputs extends string, Attributes>(
  kernel: string,
  inputs: readonly Inputs[],
  dispatchOf: (attributes: Attributes) => KernelDispatch,
): Kernel<Inputs, Attributes> {
  registerStep(kernel);
  return (tensors, attributes, output) => {
    const { variant, ...dispatch } = dispatchOf(attributes);
    const name = [kernel, ...variant].join(" ");
    const ordered = Object.fromEntries(inputs.map((input) => [input, tensors[input]]));
    return { kernel, dispatch: { name, ...dispatch }, inputs: ordered, output };
  };
}

/** Workgroups that a dispatch may have in each dimension: no device is asked for more. */
export const MAX_WORKGROUPS = 65_535;

/**
 * Cuts an image's workgroups into parts, as few as a dimension allows and as large as each other:
 * `image` and `part` share the dimension z.
 */
export function partsOf(workgroups: number): { parts: number; size: number } {
  const parts = Math.ceil(workgroups / MAX_WORKGROUPS);
  return { parts, size: Math.ceil(workgroups / parts) };
}

/** Channels are rounded up to a multiple of this: a vector of bytes. */
export const CHANNEL_MULTIPLE = 16;

export function padChannels(channels: number): number {
  return Math.ceil(channels / CHANNEL_MULTIPLE) * CHANNEL_MULTIPLE;
}

/** Vectors of a state before its `M` and `B`. */
export const STATE_HEADER = 2;

/** Vectors of one image's state. */
export function stateVectors(channels: number): number {
  return STATE_HEADER + channels / 2;
}

/** Of a batch of feature maps. */
export interface Shape {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  /** Rounded up to a multiple of 16, but those of the image. */
  readonly channels: number;
}

/** With zeros around. */
export function padded(shape: Shape, padding: 0 | 1): Shape {
  return { ...shape, height: shape.height + 2 * padding, width: shape.width + 2 * padding };
}

/** Elements of a tensor. */
export function elements({ images, height, width, channels }: Shape): number {
  return images * height * width * channels;
}

/** Vectors of a batch of images as bytes. */
export function imageVectors({ images, height, width }: Omit<Shape, "channels">): number {
  return images * height * Math.ceil(width / 4);
}

/**
 * `mulhi`, `mulhiRound` and `normalize` of `../README.md`. WGSL has no 64-bit integers, so that
 * products are put together from 16-bit halves.
 */
export const FIXED_POINT = `
// The 64-bit product of two words, low word first.
fn umul64(a: u32, b: u32) -> vec2<u32> {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let low = a0 * b0;
  let middle = a1 * b0 + (low >> 16u);
  let middle2 = a0 * b1 + (middle & 0xffffu);
  return vec2<u32>(a * b, a1 * b1 + (middle >> 16u) + (middle2 >> 16u));
}

// Two's complement: a negative factor was read as 2^32 more than it is.
fn mul64(a: i32, b: i32) -> vec2<u32> {
  let product = umul64(u32(a), u32(b));
  let excess = select(0u, u32(b), a < 0) + select(0u, u32(a), b < 0);
  return vec2<u32>(product.x, product.y - excess);
}

fn mulhi(a: i32, b: i32) -> i32 {
  return i32(mul64(a, b).y);
}

fn mulhiRound(a: i32, b: i32) -> i32 {
  let product = mul64(a, b);
  return i32(product.y + (product.x >> 31u));
}

// The mantissa in [2^30, 2^31) and the shift that made it.
fn normalize31(a: i32) -> vec2<i32> {
  let s = countLeadingZeros(a) - 1;
  return vec2<i32>(a << u32(s), s);
}
`;

/** `Σ a * b` of sixteen bytes each. */
export const DOT16 = `
fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) +
    dot4I8Packed(a.w, b.w);
}
`;
