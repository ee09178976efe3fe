// From sums to pre-activations, and from those to the next layer's bytes.

import { Image, Layer, Step } from "../structs";

/** Steps 5 and 6 for four channels. */
// @ts-ignore: decorator
@inline
export function value(shiftedSum: v128, m: v128, b: v128): v128 {
  const half = i64x2.splat(0x80000000);
  const low = i64x2.add(i64x2.extmul_low_i32x4_s(shiftedSum, m), half);
  const high = i64x2.add(i64x2.extmul_high_i32x4_s(shiftedSum, m), half);
  return i32x4.add(v128.shuffle<i32>(low, high, 1, 3, 5, 7), b);
}

/** Raises an image's maximum; other threads may do so at the same time. */
export function raise(image: Image, x: v128): void {
  const candidate = max(
    max(i32x4.extract_lane(x, 0), i32x4.extract_lane(x, 1)),
    max(i32x4.extract_lane(x, 2), i32x4.extract_lane(x, 3)),
  );
  const at = changetype<usize>(image) + offsetof<Image>("max");
  let seen = atomic.load<i32>(at);
  while (candidate > seen) {
    const found = atomic.cmpxchg<i32>(at, seen, candidate);
    if (found == seen) return;
    seen = found;
  }
}

/** Steps 5 to 8 for `count` sums `[count, 16]` of a block of 16 channels, pixels `first` and on. */
export function storeValues(step: Step, first: i32, count: i32, block: i32, sums: usize): void {
  const outChannels = changetype<Layer>(step.layer).outChannels;
  const perImage = step.pixels / step.images;
  const unit = step.pool ? 4 : 1;
  let to = step.v + (first / unit * outChannels + block * 16) * 4;
  for (let p = first; p < first + count;) {
    const n = p / perImage;
    const image = changetype<Image>(step.image + n * offsetof<Image>());
    const m = step.scaled + (n * 2 * outChannels + block * 16) * 4;
    const end = min((n + 1) * perImage, first + count);
    let largest = i32x4.splat(0);
    for (; p < end; p += unit, to += outChannels * 4) {
      for (let i = 0; i < 64; i += 16) {
        let sum = v128.load(sums + i);
        if (unit == 4) {
          sum = i32x4.max_s(sum, v128.load(sums + i, 64));
          sum = i32x4.max_s(sum, v128.load(sums + i, 128));
          sum = i32x4.max_s(sum, v128.load(sums + i, 192));
        }
        const v = value(
          i32x4.shl(sum, 2),
          v128.load(m + i),
          v128.load(m + outChannels * 4 + i),
        );
        largest = i32x4.max_s(largest, v);
        v128.store(to + i, v);
      }
      sums += 64 * unit;
    }
    raise(image, largest);
  }
}

/**
 * Task: one row of a layer's values after its max-pool, `v`: steps 7 and 8. `x` holds those before it,
 * `[images, rows, columns, channels]`.
 */
export function pool<T>(step: Step, task: i32): void {
  const n = task / step.vRows, y = task % step.vRows;
  const pixel = step.channels * 4, row = step.columns * pixel;
  let from = step.x + (n * step.rows + y * 2) * row;
  let to = step.v + task * step.vColumns * pixel;
  let largest = i32x4.splat(0);
  for (let column = step.vColumns; column > 0; column--, from += pixel) {
    for (let end = to + pixel; to < end; to += 16, from += 16) {
      const upper = v128.max<T>(v128.load(from), v128.load(from + pixel));
      const lower = v128.max<T>(v128.load(from + row), v128.load(from + row + pixel));
      const v = v128.max<T>(upper, lower);
      v128.store(to, v);
      if (!isFloat<T>()) largest = i32x4.max_s(largest, v);
    }
  }
  if (!isFloat<T>()) raise(changetype<Image>(step.image + n * offsetof<Image>()), largest);
}

/**
 * Task: one row of the next layer's input, with its border: step 10. `v` is the layer's output,
 * `x` where the bytes go, `[images, xRows, xColumns, channels]`.
 */
export function requantize(step: Step, task: i32): void {
  const n = task / step.xRows, y = task % step.xRows - step.border;
  const bytes = step.xColumns * step.channels;
  const out = step.x + task * bytes;
  if (y < 0 || y >= step.vRows) {
    memory.fill(out, 0, bytes);
    return;
  }
  const image = changetype<Image>(step.image + n * offsetof<Image>());
  const from = step.v + (n * step.vRows + y) * step.vColumns * step.channels * 4;
  const before = step.border * step.channels, inside = step.vColumns * step.channels;
  memory.fill(out, 0, before);
  requantizePixels(from, out + before, inside, image.reciprocal, image.normalize);
  memory.fill(out + before + inside, 0, bytes - before - inside);
}

function requantizePixels(from: usize, to: usize, count: i32, r: i32, z: i32): void {
  const reciprocal = i32x4.splat(r);
  for (let end = to + count; to < end; to += 16, from += 64) {
    const low = i16x8.narrow_i32x4_s(
      quantized(v128.load(from), z, reciprocal),
      quantized(v128.load(from, 16), z, reciprocal),
    );
    const high = i16x8.narrow_i32x4_s(
      quantized(v128.load(from, 32), z, reciprocal),
      quantized(v128.load(from, 48), z, reciprocal),
    );
    v128.store(to, i8x16.narrow_i16x8_s(low, high));
  }
}

// @ts-ignore: decorator
@inline
function quantized(v: v128, z: i32, reciprocal: v128): v128 {
  const x = i32x4.shl(i32x4.max_s(v, i32x4.splat(0)), z);
  const low = i64x2.extmul_low_i32x4_s(x, reciprocal);
  const high = i64x2.extmul_high_i32x4_s(x, reciprocal);
  const word = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
  return i32x4.shr_s(i32x4.add(word, i32x4.splat(1 << 21)), 22);
}

/**
 * Task: one row of the first layer's input, with its border. `v` holds the images' bytes
 * `[images, rows, columns, channels]`, `weights` the 16-bit number of each byte, `[channels, 256]`,
 * and `x` is where the numbers go.
 */
export function tabulate(step: Step, task: i32): void {
  const n = task / step.xRows, y = task % step.xRows - step.border;
  const channels = step.channels, bytes = step.xColumns * channels * 2;
  let out = step.x + task * bytes;
  memory.fill(out, 0, bytes);
  if (y < 0 || y >= step.rows) return;
  out += step.border * channels * 2;
  const row = step.columns * channels;
  const from = step.v + (n * step.rows + y) * row;
  for (let i = 0, c = 0; i < row; i++) {
    store<i16>(out + i * 2, load<i16>(step.weights + c * 512 + load<u8>(from + i) * 2));
    if (++c == channels) c = 0;
  }
}
