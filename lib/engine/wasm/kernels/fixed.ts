// The 64-bit scalar arithmetic of the integer program (lib/engine/README.md), once per layer and
// image.

import { Image, Layer, Step } from "../structs";

// @ts-ignore: decorator
@inline
function mulhi(a: i32, b: i32): i32 {
  return i32((i64(a) * i64(b)) >> 32);
}

// @ts-ignore: decorator
@inline
function mulhiRound(a: i32, b: i32): i32 {
  return i32((i64(a) * i64(b) + 0x80000000) >> 32);
}

/** Steps 1 to 4: M and B of every image for `layer`. */
export function beginLayer(step: Step, layer: Layer): void {
  for (let n = 0; n < step.images; n++) {
    const image = changetype<Image>(step.image + n * offsetof<Image>());
    const product = mulhi(image.mantissa, layer.reciprocalMantissa);
    const s = clz(product) - 1;
    image.unitMantissa = product << s;
    image.unitExponent = image.exponent + layer.reciprocalExponent + 32 - s;
    image.max = 1;
    const e = layer.biasExponent + image.unitExponent + 32;
    image.shift = max(0, e - 1);
    const shift = min(image.shift, 31);
    const m = step.scaled + n * layer.outChannels * 8;
    const b = m + layer.outChannels * 4;
    for (let o = 0; o < layer.outChannels * 4; o += 4) {
      store<i32>(m + o, load<i32>(layer.multiplier + o) >> shift);
      const h = mulhiRound(load<i32>(layer.bias + o), image.unitMantissa);
      store<i32>(b + o, biasInUnits(h, e));
    }
  }
}

function biasInUnits(h: i32, e: i32): i32 {
  if (e >= 1) return h << 1;
  if (e == 0) return h;
  return e >= -30 ? (h + (1 << (-e - 1))) >> -e : 0;
}

/** Steps 8, 9 and 11: the scalars of the requantization, and the next layer's input scale. */
export function endLayer(step: Step): void {
  for (let n = 0; n < step.images; n++) {
    const image = changetype<Image>(step.image + n * offsetof<Image>());
    const z = clz(image.max) - 1;
    const r = i32((i64(127) << 54) / i64(image.max << z));
    const product = mulhi(image.unitMantissa, r);
    const s = clz(product) - 1;
    image.normalize = z;
    image.reciprocal = r;
    image.mantissa = product << s;
    image.exponent = image.unitExponent + z - 22 - s - image.shift;
  }
}
