/**
 * Between two layers: ends one and begins the next, one workgroup per image.
 *
 * @module
 */

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Fixed } from "../program.ts";
import { defineKernel, type Dispatch } from "./kernel.ts";
import { HEADER_WORDS, stateWords } from "./layout.ts";
import { FIXED_POINT } from "./wgsl.ts";

/** The layer that begins. */
export interface BeginAttributes {
  readonly images: number;
  /** Output channels, padded to a multiple of 16. */
  readonly channels: number;
  /** `1 / smax`. */
  readonly reciprocal: Fixed;
  readonly biasExponent: number;
}

/** The layer that ends. */
export interface EndAttributes extends BeginAttributes {
  /** Its output channels, padded to a multiple of 16. */
  readonly endedChannels: number;
  /** Where the maxima begin in its values, and how many there are for each image. */
  readonly maximaOffset: number;
  readonly maximaPerImage: number;
}

const LANES = 64;

/** Begins the first layer. `constants` is `[O, 2]`: the multiplier and the bias of each channel. */
export const beginFirst = defineKernel(
  "VggBegin",
  (
    { constants }: { constants: TensorInfo },
    attributes: BeginAttributes & { input: Fixed },
  ): Dispatch => ({
    ...common(attributes),
    key: `vgg-begin,${attributes.channels}`,
    code: `${beginCode(attributes.channels)}
fn main() {
  begin(uniforms.mantissa, uniforms.exponent, 0, 0);
}
`,
    inputs: [{ name: "constants", tensor: constants, components: 1 }],
    uniforms: {
      ...beginUniforms(attributes),
      mantissa: attributes.input.mantissa,
      exponent: attributes.input.exponent,
    },
  }),
);

/** Ends a layer, whose values and state are given, and begins the next one, whose constants are. */
export const endAndBegin = defineKernel(
  "VggScale",
  (
    inputs: { constants: TensorInfo; values: TensorInfo; state: TensorInfo },
    attributes: EndAttributes,
  ): Dispatch => ({
    ...common(attributes),
    key: `vgg-scale,${attributes.channels},${attributes.endedChannels}`,
    code: `${beginCode(attributes.channels)}${endCode(attributes.endedChannels)}`,
    inputs: [
      { name: "constants", tensor: inputs.constants, components: 1 },
      { name: "values", tensor: inputs.values, components: 1 },
      { name: "state", tensor: inputs.state, components: 1 },
    ],
    uniforms: {
      ...beginUniforms(attributes),
      maximaOffset: attributes.maximaOffset,
      maximaPerImage: attributes.maximaPerImage,
    },
  }),
);

function common(
  { images, channels }: BeginAttributes,
): Pick<Dispatch, "workgroupSize" | "workgroups" | "outputWords"> {
  return {
    workgroupSize: [LANES, 1, 1],
    workgroups: [1, 1, images],
    outputWords: images * stateWords(channels),
  };
}

function beginUniforms({ reciprocal, biasExponent }: BeginAttributes): Record<string, number> {
  return {
    scaleMantissa: reciprocal.mantissa,
    scaleExponent: reciprocal.exponent,
    biasExponent,
  };
}

/** Steps 1 to 4. */
function beginCode(channels: number): string {
  return `
${FIXED_POINT}
fn begin(mantissa: i32, exponent: i32, z: i32, r: i32) {
  let offset = i32(workgroupId.z) * ${stateWords(channels)};
  let u = normalize31(mulhi(mantissa, uniforms.scaleMantissa));
  let ue = exponent + uniforms.scaleExponent + 32 - u.y;
  let n = uniforms.biasExponent + ue + 32;
  let e = max(0, n - 1);
  if (localIndex == 0u) {
    result[offset] = u.x;
    result[offset + 1] = ue;
    result[offset + 2] = e;
    result[offset + 3] = z;
    result[offset + 4] = r;
  }
  for (var o = i32(localIndex); o < ${channels}; o += ${LANES}) {
    let at = offset + ${HEADER_WORDS} + 2 * o;
    result[at] = constants[2 * o] >> u32(min(e, 31));
    result[at + 1] = biasInUnits(mulhiRound(constants[2 * o + 1], u.x), n);
  }
}

fn biasInUnits(h: i32, n: i32) -> i32 {
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
}

/** Steps 8, 9 and 11. */
function endCode(channels: number): string {
  return `
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
  let first = uniforms.maximaOffset + i32(workgroupId.z) * uniforms.maximaPerImage;
  var largest = 1;
  for (var i = i32(localIndex); i < uniforms.maximaPerImage; i += ${LANES}) {
    largest = max(largest, values[first + i]);
  }
  atomicMax(&imageMaximum, largest);
  workgroupBarrier();
  let vmax = atomicLoad(&imageMaximum);
  let z = countLeadingZeros(vmax) - 1;
  let r = i32(reciprocal(u32(vmax) << u32(z)));
  let ended = i32(workgroupId.z) * ${stateWords(channels)};
  let q = normalize31(mulhi(state[ended], r));
  begin(q.x, state[ended + 1] + z - 22 - q.y - state[ended + 2], z, r);
}
`;
}
