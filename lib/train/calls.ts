/**
 * What the kernels of training are called with. TypeScript and AssemblyScript both compile this
 * file: a call is its fields in this order, a 32-bit word each.
 *
 * Arrays are float32, but for those that say otherwise. Channels come in multiples of 4, but for the input of the first convolution.
 */

// @ts-ignore: a type of AssemblyScript, which TypeScript takes for `any`.
type Int = i32;
// @ts-ignore: as above.
type Address = usize;

/** `y = x * filter`, 3x3, same padding, stride 1. */
export class Convolve {
  x: Address = 0; // [count, height, width, inputs]
  filter: Address = 0; // [3, 3, inputs, outputs]
  y: Address = 0; // gets [count, height, width, outputs]
  padded: Address = 0; // gets x with zeros around it, [count, height + 2, width + 2, inputs]
  sums: Address = 0; // gets each image's `moments`, [count, 2, outputs]; or 0
  count: Int = 0;
  height: Int = 0;
  width: Int = 0;
  inputs: Int = 0;
  outputs: Int = 0;
}

/** `out = relu(y * scale + shift)`, followed by a 2x2 max-pool with stride 2 if `pool` is 1. */
export class Activate {
  y: Address = 0; // [count, height, width, outputs]
  scale: Address = 0; // [outputs]
  shift: Address = 0; // [outputs]
  out: Address = 0; // gets [count, height, width, outputs], or what the pool leaves of it
  pool: Int = 0;
  count: Int = 0;
  height: Int = 0;
  width: Int = 0;
  outputs: Int = 0;
}

/**
 * The derivative by `z = y * scale + shift`, from that by what `activate` gave: each goes to the
 * position that was the maximum, the first of equal ones, if it was above 0.
 */
export class Deactivate {
  dout: Address = 0; // as `out` of Activate
  y: Address = 0; // the others are as of Activate, too
  scale: Address = 0;
  shift: Address = 0;
  dz: Address = 0; // gets [count, height, width, outputs]
  sums: Address = 0; // gets each image's sums of dz and of dz * y, [count, 2, outputs]
  pool: Int = 0;
  count: Int = 0;
  height: Int = 0;
  width: Int = 0;
  outputs: Int = 0;
}

/** `dz = dz * a + y * b + c`. */
export class Combine {
  dz: Address = 0; // [count, pixels, outputs]
  y: Address = 0; // [count, pixels, outputs]
  factors: Address = 0; // a, b and c, [3, outputs]
  count: Int = 0;
  pixels: Int = 0;
  outputs: Int = 0;
}

/** The derivative by the filter. */
export class FilterGradient {
  padded: Address = 0; // what Convolve made of x
  dy: Address = 0; // [count, height, width, outputs]
  filter: Address = 0; // gets [3, 3, inputs, outputs]
  count: Int = 0;
  height: Int = 0;
  width: Int = 0;
  inputs: Int = 0;
  outputs: Int = 0;
}

/** `y = x * w`, summed in float64. Outputs come in multiples of 2. */
export class Multiply {
  x: Address = 0; // [rows, inner]
  w: Address = 0; // float64 [inner, outputs]
  y: Address = 0; // gets float64 [rows, outputs]
  rows: Int = 0;
  inner: Int = 0;
  outputs: Int = 0;
}
