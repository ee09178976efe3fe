// Convolution as an implicit matrix product: nothing is copied, tiles walk the padded input.
//
// Weights are [outChannels / 16, filterRows, run, 16 channels, 4 bytes]. A word is four activations
// of 7 bits, or two of 16 bits in the first layer, and the same for all channels.

import { Step, TILE } from "../structs";
import { dot, multiplyTile } from "./multiply";
import { storeValues } from "./values";

/** Task: `chunk` pixels of 16 channels. */
export function convolve(step: Step, task: i32, at: usize): void {
  store<usize>(at, 0); // no transformed filter any more, see winograd.ts
  const scratch = at + 16;
  const chunks = (step.pixels + step.chunk - 1) / step.chunk;
  const block = task / chunks;
  const first = (task % chunks) * step.chunk;
  const count = min(step.chunk, step.pixels - first);
  const weights = step.weights + block * step.filterRows * step.run * 64;
  const offsets = step.offsets + first * 4;
  let p = 0;
  for (; count - p > 2; p += TILE) {
    const window = offsets + p * 4, out = scratch + p * 64;
    if (step.channels < 16) {
      multiplyTile<i16>(step, window, weights, out);
      multiplyTile<i16>(step, window, weights + 32, out + 32);
    } else {
      multiplyTile<i8>(step, window, weights, out);
      multiplyTile<i8>(step, window, weights + 32, out + 32);
    }
  }
  for (; p < count; p++) {
    const window = offsets + p * 4, out = scratch + p * 64;
    if (step.channels < 16) pixel<i16>(step, window, weights, out);
    else pixel<i8>(step, window, weights, out);
  }
  storeValues(step, first, count, block, scratch);
}

/** One pixel of sixteen channels: a dense layer of a single image. */
function pixel<T>(step: Step, offsets: usize, weights: usize, out: usize): void {
  let x = step.x + load<i32>(offsets);
  let a = i32x4.splat(0), b = a, c = a, d = a;
  const skip = step.xColumns * step.channels * sizeof<T>() - step.run * 4;
  let w = weights;
  for (let row = step.filterRows; row > 0; row--) {
    for (let end = x + step.run * 4; x < end; x += 4, w += 64) {
      const word = v128.load32_splat(x);
      a = dot<T>(v128.load(w), word, a);
      b = dot<T>(v128.load(w, 16), word, b);
      c = dot<T>(v128.load(w, 32), word, c);
      d = dot<T>(v128.load(w, 48), word, d);
    }
    x += skip;
  }
  v128.store(out, a);
  v128.store(out, b, 16);
  v128.store(out, c, 32);
  v128.store(out, d, 48);
}
