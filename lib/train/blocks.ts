/**
 * Rows of several blocks side by side, as of several layers, brought to a common scale block by block: what has
 * more values does not count more.
 */

import { takeTurn } from "../threads/turn.ts";
import type { DenseLayer } from "./dense_layer.ts";
import type { Rows } from "./rows.ts";
import {
  foldTransform,
  type LinearTransform,
  Statistics,
  transformed,
  type Whitening,
} from "./statistics.ts";

/** Rows that are looked at between two turns. */
const TURN = 64;

/**
 * The transform of each block that whitens the rows at `positions`, divided by the root of its length.
 *
 * @param lengths Of the blocks, in order; their sum is that of a row.
 * @throws {RangeError} If a block is too long for `whitening`.
 */
export async function whitenBlocks(
  rows: Rows,
  positions: ArrayLike<number>,
  lengths: readonly number[],
  whitening: Whitening,
  signal?: AbortSignal,
): Promise<LinearTransform[]> {
  const transforms: LinearTransform[] = [];
  let first = 0;
  for (const length of lengths) {
    const row = new Float32Array(length);
    const statistics = new Statistics(length, whitening === "pca" || whitening === "zca");
    for (let n = 0; n < positions.length; n++) {
      if (n % TURN === 0) await takeTurn(signal);
      rows.read(positions[n]!, row, first);
      statistics.add(row);
    }
    const { mean, scale, matrix } = await statistics.transform(whitening, undefined, signal);
    const divided = (values?: Float64Array): Float64Array | undefined =>
      values?.map((value) => value / Math.sqrt(length));
    transforms.push({ mean, scale: divided(scale), matrix: divided(matrix) });
    first += length;
  }
  return transforms;
}

/** Rows that are transformed block by block, as they are read. */
export function transformedRows(transforms: readonly LinearTransform[], rows: Rows): Rows {
  const { count, length } = rows, row = new Float32Array(length);
  const readWhole = (n: number, into: Float32Array): void => {
    rows.read(n, row);
    let first = 0;
    for (const transform of transforms) {
      const last = first + transform.mean.length;
      transformed(transform, row.subarray(first, last), into.subarray(first, last));
      first = last;
    }
  };
  const whole = new Float32Array(length);
  return {
    ...{ count, length },
    read: (n, into, first = 0) => {
      if (into.length === length) return readWhole(n, into);
      readWhole(n, whole);
      into.set(whole.subarray(first, first + into.length));
    },
  };
}

/** The layer that does for rows as they are what `weight` and `bias` do for transformed ones. */
export function foldBlocks(
  transforms: readonly LinearTransform[],
  { weight, bias }: DenseLayer,
): DenseLayer {
  const size = weight.length / bias.length, folded = new Float32Array(weight.length);
  let first = 0, shifted = bias;
  for (const transform of transforms) {
    const { length } = transform.mean, own = new Float32Array(bias.length * length);
    for (let o = 0; o < bias.length; o++) {
      own.set(weight.subarray(o * size + first, o * size + first + length), o * length);
    }
    const layer = foldTransform(transform, own, shifted);
    for (let o = 0; o < bias.length; o++) {
      folded.set(layer.weight.subarray(o * length, (o + 1) * length), o * size + first);
    }
    shifted = layer.bias;
    first += length;
  }
  return { weight: folded, bias: shifted };
}

/** What a layer says about rows `[N, D]`: `[N, O]`, summed in float64 from the first value on. */
export function layerLogits({ weight, bias }: DenseLayer, rows: Float32Array): Float64Array {
  const outputs = bias.length, size = weight.length / outputs, count = rows.length / size;
  const logits = new Float64Array(count * outputs);
  for (let n = 0; n < count; n++) {
    for (let o = 0; o < outputs; o++) {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += rows[n * size + i]! * weight[o * size + i]!;
      logits[n * outputs + o] = sum + bias[o]!;
    }
  }
  return logits;
}

/** What a layer says about rows, `[N, O]`, as {@linkcode layerLogits} does. */
export async function rowLogits(
  layer: DenseLayer,
  rows: Rows,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const outputs = layer.bias.length, logits = new Float64Array(rows.count * outputs);
  const row = new Float32Array(rows.length);
  for (let n = 0; n < rows.count; n++) {
    if (n % TURN === 0) await takeTurn(signal);
    rows.read(n, row);
    logits.set(layerLogits(layer, row), n * outputs);
  }
  return logits;
}
