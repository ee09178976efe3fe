/**
 * Between two layers: ends one and begins the next, one workgroup per image.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Fixed } from "../../program.ts";
import { defineKernel, type Dispatch } from "./kernel.ts";
import { STATE_HEADER, stateVectors } from "./layout.ts";
import { FIXED_POINT } from "./wgsl.ts";

/** The layer that begins. */
export interface BeginAttributes {
  readonly images: number;
  /** Output channels, rounded up. */
  readonly channels: number;
  /** `1 / smax`. */
  readonly reciprocal: Fixed;
  readonly biasExponent: number;
}

/** Where the maxima of the layer that ends are. */
export interface EndAttributes extends BeginAttributes {
  /** Its output channels, rounded up. */
  readonly endedChannels: number;
  /** Index of the first vector, and vectors per image: every word of them counts. */
  readonly maxima: number;
  readonly maximaPerImage: number;
}

const LANES = 64;

/** Begins the first layer, whose constants are given; gives its state. */
export const beginFirst = defineKernel<
  { constants: TensorInfo },
  BeginAttributes & { input: Fixed }
>("VggBegin", (attributes): Dispatch => ({
  key: "vgg-begin",
  code: () =>
    `${BEGIN}
fn main() {
  begin(parameters.mantissa, parameters.exponent, 0, 0);
}
`,
  parameters: {
    ...beginParameters(attributes),
    mantissa: attributes.input.mantissa,
    exponent: attributes.input.exponent,
  },
  workgroupSize: LANES,
  workgroups: [1, 1, attributes.images],
}));

/** Ends a layer, whose values and state are given, and begins the next one, whose constants are; gives its state. */
export const endAndBegin = defineKernel<
  { constants: TensorInfo; values: TensorInfo; state: TensorInfo },
  EndAttributes
>("VggScale", (attributes): Dispatch => ({
  key: "vgg-scale",
  code: () => BEGIN + END,
  parameters: {
    ...beginParameters(attributes),
    endedStride: stateVectors(attributes.endedChannels),
    maxima: attributes.maxima,
    maximaPerImage: attributes.maximaPerImage,
  },
  workgroupSize: LANES,
  workgroups: [1, 1, attributes.images],
}));

function beginParameters(
  { channels, reciprocal, biasExponent }: BeginAttributes,
): Record<string, number> {
  return {
    scaleMantissa: reciprocal.mantissa,
    scaleExponent: reciprocal.exponent,
    biasExponent,
    quads: channels / 4,
    stride: stateVectors(channels),
  };
}

/** Steps 1 to 4. */
const BEGIN = `
${FIXED_POINT}
fn begin(mantissa: i32, exponent: i32, z: i32, r: i32) {
  let first = i32(workgroupId.z) * parameters.stride;
  let u = normalize31(mulhi(mantissa, parameters.scaleMantissa));
  let ue = exponent + parameters.scaleExponent + 32 - u.y;
  let n = parameters.biasExponent + ue + 32;
  let e = max(0, n - 1);
  if (localIndex == 0u) {
    store(first, bitcast<vec4<u32>>(vec4<i32>(u.x, ue, e, 0)));
    store(first + 1, bitcast<vec4<u32>>(vec4<i32>(z, r, 0, 0)));
  }
  for (var quad = i32(localIndex); quad < parameters.quads; quad += ${LANES}) {
    let at = first + ${STATE_HEADER} + 2 * quad;
    let m = bitcast<vec4<i32>>(load_constants(2 * quad)) >> vec4<u32>(u32(min(e, 31)));
    let b = bitcast<vec4<i32>>(load_constants(2 * quad + 1));
    store(at, bitcast<vec4<u32>>(m));
    store(at + 1, bitcast<vec4<u32>>(vec4<i32>(biasInUnits(b.x, u.x, n), biasInUnits(b.y, u.x, n),
      biasInUnits(b.z, u.x, n), biasInUnits(b.w, u.x, n))));
  }
}

fn biasInUnits(bias: i32, mantissa: i32, n: i32) -> i32 {
  let h = mulhiRound(bias, mantissa);
  if (n >= 1) {
    return h << 1u;
  }
  if (n == 0) {
    return h;
  }
  if (n < -30) {
    return 0;
  }
  return (h + (1 << u32(-n - 1))) >> u32(-n);
}
`;

/** Steps 8, 9 and 11. */
const END = `
var<workgroup> imageMaximum: atomic<i32>;

// floor(127 * 2^54 / d), d in [2^30, 2^31): long division, the low word of the dividend being 0.
fn reciprocal(d: u32) -> u32 {
  var quotient = 0u;
  var remainder = ${127 * 2 ** 22}u;
  for (var bit = 0; bit < 32; bit++) {
    remainder <<= 1u;
    quotient <<= 1u;
    if (remainder >= d) {
      remainder -= d;
      quotient |= 1u;
    }
  }
  return quotient;
}

fn main() {
  let first = parameters.maxima + i32(workgroupId.z) * parameters.maximaPerImage;
  var largest = 1;
  for (var i = i32(localIndex); i < parameters.maximaPerImage; i += ${LANES}) {
    let v = bitcast<vec4<i32>>(load_values(first + i));
    largest = max(largest, max(max(v.x, v.y), max(v.z, v.w)));
  }
  atomicMax(&imageMaximum, largest);
  workgroupBarrier();
  let vmax = atomicLoad(&imageMaximum);
  let z = countLeadingZeros(vmax) - 1;
  let r = i32(reciprocal(u32(vmax) << u32(z)));
  let ended = bitcast<vec4<i32>>(load_state(i32(workgroupId.z) * parameters.endedStride));
  let q = normalize31(mulhi(ended.x, r));
  begin(q.x, ended.y + z - 22 - q.y - ended.z, z, r);
}
`;
