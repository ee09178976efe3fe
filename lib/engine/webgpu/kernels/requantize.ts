/** Between two layers: ends one, begins the next, and makes its 7-bit activations. */

import type { Fixed } from "../../program.ts";
import {
  CHANNEL_MULTIPLE,
  defineKernel,
  FIXED_POINT,
  padded,
  partsOf,
  type Shape,
  STATE_HEADER,
  stateVectors,
} from "./kernel.ts";

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

/** Begins the first layer, whose constants are given; gives its state. One workgroup per image. */
export const beginFirst = defineKernel(
  "begin",
  ["constants"],
  (attributes: BeginAttributes & { readonly input: Fixed }) => ({
    variant: [],
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
  }),
);

/**
 * Ends a layer, whose values and state are given, and begins the next one, whose constants are;
 * gives its state. One workgroup per image.
 */
export const endAndBegin = defineKernel(
  "scale",
  ["constants", "values", "state"],
  (attributes: EndAttributes) => ({
    variant: [],
    code: () => BEGIN + END,
    parameters: {
      ...beginParameters(attributes),
      endedStride: stateVectors(attributes.endedChannels),
      maxima: attributes.maxima,
      maximaPerImage: attributes.maximaPerImage,
    },
    workgroupSize: LANES,
    workgroups: [1, 1, attributes.images],
  }),
);

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
  return (h + (1i << u32(-n - 1))) >> u32(-n);
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

/** What is quantized. */
export interface RequantizeAttributes {
  /** Of the values. */
  readonly shape: Shape;
  /** Zeros to put around the activations. */
  readonly padding: 0 | 1;
  /** Output channels of the next layer, rounded up: its state holds the divisor. */
  readonly nextChannels: number;
}

/** Step 10: a layer's `values` and the next one's `state` give activations, with their padding. */
export const requantize = defineKernel(
  "requantize",
  ["values", "state"],
  ({ shape, padding, nextChannels }: RequantizeAttributes) => {
    const { height, width, images } = padded(shape, padding);
    const sixteens = shape.channels / CHANNEL_MULTIPLE;
    const { parts, size } = partsOf(height);
    return {
      variant: [],
      code: () => REQUANTIZE,
      parameters: {
        height: shape.height,
        width: shape.width,
        padding,
        sixteens,
        rows: height,
        vectorsPerRow: width * sixteens,
        parts,
        stateStride: stateVectors(nextChannels),
      },
      workgroupSize: LANES,
      workgroups: [Math.ceil(width * sixteens / LANES), size, images * parts],
    };
  },
);

const REQUANTIZE = `
${FIXED_POINT}
fn quantize(values: vec4<u32>, z: u32, r: i32) -> u32 {
  let v = max(bitcast<vec4<i32>>(values), vec4<i32>()) << vec4<u32>(z);
  let x = (vec4<i32>(mulhi(v.x, r), mulhi(v.y, r), mulhi(v.z, r), mulhi(v.w, r)) +
    vec4<i32>(${2 ** 21})) >> vec4<u32>(22u);
  return u32(x.x) | (u32(x.y) << 8u) | (u32(x.z) << 16u) | (u32(x.w) << 24u);
}

fn main() {
  let column = i32(globalId.x);
  let image = i32(workgroupId.z) / parameters.parts;
  let part = i32(workgroupId.z) % parameters.parts;
  let row = part * i32(numWorkgroups.y) + i32(workgroupId.y);
  if (column >= parameters.vectorsPerRow || row >= parameters.rows) {
    return;
  }
  let y = row - parameters.padding;
  let x = column / parameters.sixteens - parameters.padding;
  var vector = vec4<u32>();
  if (y >= 0 && x >= 0 && y < parameters.height && x < parameters.width) {
    let scale = bitcast<vec4<i32>>(load_state(image * parameters.stateStride + 1));
    let pixel = (image * parameters.height + y) * parameters.width + x;
    let source = (pixel * parameters.sixteens + column % parameters.sixteens) * 4;
    for (var i = 0; i < 4; i++) {
      vector[i] = quantize(load_values(source + i), u32(scale.x), scale.y);
    }
  }
  store((image * parameters.rows + row) * parameters.vectorsPerRow + column, vector);
}
`;
