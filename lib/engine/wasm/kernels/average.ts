// From a map, `x`, to one position, `v` [images, channels].

import { Image, Step } from "../structs";
import { raise } from "./values";

/** Task: the sums of 16 channels of an image: steps 5 to 8 of the average. */
export function average(step: Step, task: i32): void {
  const blocks = step.channels / 16;
  const n = task / blocks;
  let x = step.x + n * step.rows * step.columns * step.channels + task % blocks * 16;
  let a = i32x4.splat(0), b = a, c = a, d = a;
  for (let position = step.rows * step.columns; position > 0; position--, x += step.channels) {
    const bytes = v128.load(x);
    const low = i16x8.extend_low_i8x16_u(bytes), high = i16x8.extend_high_i8x16_u(bytes);
    a = i32x4.add(a, i32x4.extend_low_i16x8_u(low));
    b = i32x4.add(b, i32x4.extend_high_i16x8_u(low));
    c = i32x4.add(c, i32x4.extend_low_i16x8_u(high));
    d = i32x4.add(d, i32x4.extend_high_i16x8_u(high));
  }
  const to = step.v + task * 64;
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
  const image = changetype<Image>(step.image + n * offsetof<Image>());
  raise(image, i32x4.max_s(i32x4.max_s(a, b), i32x4.max_s(c, d)));
}

/** Task: the averages of 4 channels of an image. Rows have sums of their own, which round less. */
export function averageFloat(step: Step, task: i32): void {
  const quads = step.channels / 4;
  const n = task / quads, pixel = step.channels * 4;
  let x = step.x + n * step.rows * step.columns * pixel + task % quads * 16;
  let sum = f32x4.splat(0);
  for (let y = step.rows; y > 0; y--) {
    let row = f32x4.splat(0);
    for (let column = step.columns; column > 0; column--, x += pixel) {
      row = f32x4.add(row, v128.load(x));
    }
    sum = f32x4.add(sum, row);
  }
  v128.store(step.v + task * 16, f32x4.div(sum, f32x4.splat(<f32> (step.rows * step.columns))));
}
