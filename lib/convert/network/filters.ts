/** The shapes of weights, and weights that are made of others. */

import { type CheckpointTensor, type Runs, sizeOf } from "../formats/checkpoint.ts";
import type { Pair } from "../formats/graph.ts";

/** What a weight connects, whatever order its axes have. */
export interface FilterSizes {
  readonly outputs: number;
  readonly channels: number;
  /** Height and width; of a dense layer's `[1, 1]`, and all inputs are channels. */
  readonly window: Pair;
}

/** Sizes of `[O, I, H, W]`, `[O, H, W, I]`, `[H, W, I, O]`, `[O, I]` or `[I, O]`; `undefined` of another shape. */
export function filterSizes({ shape, layout }: CheckpointTensor): FilterSizes | undefined {
  const isFirst = layout.outputs === "first";
  if (shape.length === 2) {
    const [outputs, channels] = isFirst ? shape : shape.toReversed();
    return { outputs: outputs!, channels: channels!, window: [1, 1] };
  }
  if (shape.length !== 4) return undefined;
  const [a, b, c, d] = shape as [number, number, number, number];
  if (!isFirst) return { outputs: d, channels: c, window: [a, b] };
  return layout.inputs === "CHW"
    ? { outputs: a, channels: b, window: [c, d] }
    : { outputs: a, channels: d, window: [b, c] };
}

/** The order of the inputs of a convolution's filter. */
export function filterOrder({ layout }: CheckpointTensor): "CHW" | "HWC" {
  return layout.outputs === "first" ? layout.inputs : "HWC";
}

/**
 * The weights of a dense layer behind an adaptive average pool, as those of one without the pool: each
 * position of the map has its part of the windows that it is in.
 *
 * @param weight Of a dense layer whose inputs are `size` positions of `channels`, in the order `inputs`.
 * @param map The positions there are.
 */
export function withoutAdaptivePool(
  weight: CheckpointTensor,
  inputs: "CHW" | "HWC",
  channels: number,
  size: Pair,
  map: Pair,
): CheckpointTensor {
  const parts = partsOfPositions(size, map);
  const [pooled, positions] = [sizeOf(size), sizeOf(map)];
  const { outputs } = filterSizes(weight)!;
  const [from, to] = [pooled * channels, positions * channels];
  const isFirst = weight.layout.outputs === "first";
  const index = (position: number, channel: number, count: number): number =>
    inputs === "CHW" ? channel * count + position : position * channels + channel;
  return {
    ...weight,
    shape: isFirst ? [outputs, to] : [to, outputs],
    async read({ start, length, count }: Runs, into: Float32Array): Promise<void> {
      // All inputs of some outputs, as they are asked for, whichever axis is first; or everything.
      const isWhole = count === 1 && length === outputs * to;
      const rows = isWhole ? outputs : isFirst ? length * count / to : length;
      const first = isWhole ? 0 : isFirst ? start / to : start;
      const source = new Float32Array(rows * from);
      await weight.read(
        isFirst
          ? { start: first * from, length: source.length, stride: source.length, count: 1 }
          : { start: first, length: rows, stride: outputs, count: from },
        source,
      );
      const [row, input] = isFirst ? [from, 1] : [1, rows];
      const [rowInto, inputInto] = isFirst ? [to, 1] : [1, rows];
      for (let r = 0; r < rows; r++) {
        for (const [position, windows] of parts.entries()) {
          for (let c = 0; c < channels; c++) {
            let sum = 0;
            for (const { window, part } of windows) {
              sum += source[r * row + index(window, c, pooled) * input]! * part;
            }
            into[r * rowInto + index(position, c, positions) * inputInto] = sum;
          }
        }
      }
    },
  };
}

/** For each position of the map: the windows that it is in, and its part of each. */
function partsOfPositions(size: Pair, map: Pair): { window: number; part: number }[][] {
  const parts = Array.from({ length: sizeOf(map) }, () => [] as { window: number; part: number }[]);
  for (let y = 0; y < size[0]; y++) {
    for (let x = 0; x < size[1]; x++) {
      const [top, bottom] = windowOf(y, size[0], map[0]);
      const [left, right] = windowOf(x, size[1], map[1]);
      const part = 1 / ((bottom - top) * (right - left));
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          parts[row * map[1] + column]!.push({ window: y * size[1] + x, part });
        }
      }
    }
  }
  return parts;
}

/** PyTorch's windows: from `floor(i * map / size)` to before `ceil((i + 1) * map / size)`. */
function windowOf(index: number, size: number, map: number): Pair {
  return [Math.floor(index * map / size), Math.ceil((index + 1) * map / size)];
}

/** A convolution of a whole map as a matrix: the order of its inputs stays. */
export function asMatrix(weight: CheckpointTensor): CheckpointTensor {
  const { outputs, channels, window } = filterSizes(weight)!;
  const inputs = channels * sizeOf(window);
  const shape = weight.layout.outputs === "first" ? [outputs, inputs] : [inputs, outputs];
  return { ...weight, shape, read: (runs, into) => weight.read(runs, into) };
}
