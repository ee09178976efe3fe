/** What is done to each channel, and how it goes into the layer before it or the one after it. */

import { CheckpointFormatError } from "../../errors.ts";
import { type CheckpointTensor, sizeOf } from "../formats/tensor.ts";
import type { GraphNode, Operator } from "../formats/graph.ts";
import { channelValues, readVector, type ValueShape } from "./constants.ts";
import type { FilterSizes } from "./filters.ts";
import type { Affine } from "./network.ts";

/** `x * scale + shift`, or `(x - mean) * scale + shift`, as batch normalization is rounded best. */
export interface Fold extends Affine {
  readonly mean?: Float64Array | undefined;
}

/** A convolution or a dense layer on the way, and what has been folded into it. */
export interface Part {
  readonly node: GraphNode;
  readonly weight: CheckpointTensor;
  readonly sizes: FilterSizes;
  readonly isDense: boolean;
  readonly inputs: "CHW" | "HWC";
  /** Of its outputs, `[O]`. */
  readonly scale: Float64Array;
  readonly shift: Float64Array;
  relu: boolean;
  /** Whether the block's pool follows. */
  pooled: boolean;
  /** What its inputs go through first: for each channel, or for each input in the order of the weight. */
  readonly ahead: Affine | undefined;
}

/**
 * Reads what an operator does to each channel.
 *
 * @throws {CheckpointFormatError} If it goes with another axis, or is not finite.
 */
export async function readFold(
  operator: Operator & { kind: "affine" | "batchNorm" },
  value: ValueShape,
  file: string,
): Promise<Fold> {
  if (operator.kind === "affine") {
    return {
      scale: await channelValues(operator.scale ?? 1, value, file),
      shift: await channelValues(operator.shift ?? 0, value, file),
    };
  }
  const length = sizeOf(operator.mean.shape);
  const read = (tensor: CheckpointTensor) => readVector(tensor, file, length);
  const [mean, variance] = [await read(operator.mean), await read(operator.variance)];
  const gamma = operator.gamma && await read(operator.gamma);
  const shift = operator.beta ? await read(operator.beta) : new Float64Array(length);
  const scale = variance.map((v, c) => (gamma?.[c] ?? 1) / Math.sqrt(v + operator.epsilon));
  const bad = scale.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return { scale, shift, mean };
  throw new CheckpointFormatError(
    `Tensor ${operator.variance.name} of ${file} must be variances: number ${bad} is ${
      variance[bad]
    }`,
    { file },
  );
}

/** How many channels it is for: 1 stands for any number. */
export function lengthOf({ scale, shift }: Fold): number {
  return Math.max(scale.length, shift.length);
}

/** Folds what follows a layer, before its ReLU, into its outputs. */
export function foldInto({ scale, shift }: Part, fold: Fold): void {
  for (let o = 0; o < scale.length; o++) {
    const factor = at(fold.scale, o);
    const mean = fold.mean?.[o] ?? 0;
    shift[o] = (shift[o]! - mean) * factor + at(fold.shift, o);
    scale[o]! *= factor;
  }
}

/** First one, then the other. */
export function composed(first: Affine = IDENTITY, second: Fold): Affine {
  const length = Math.max(lengthOf(first), lengthOf(second));
  const scale = new Float64Array(length), shift = new Float64Array(length);
  for (let c = 0; c < length; c++) {
    const factor = at(second.scale, c), mean = second.mean?.[c] ?? 0;
    scale[c] = at(first.scale, c) * factor;
    shift[c] = (at(first.shift, c) - mean) * factor + at(second.shift, c);
  }
  return { scale, shift };
}

/**
 * Takes the factors behind a layer's ReLU before it, where they are the same: `relu(x) * s = relu(x * s)`, but
 * for their signs. int8 has one step for all inputs of an output, so that a unit that hardly ever answers, whose
 * batch normalization makes much of it, would take the digits from all others.
 *
 * @returns What is left behind the ReLU.
 */
export function movedBefore(part: Part, { scale, shift }: Affine): Affine {
  if (scale.length !== part.scale.length) return { scale, shift };
  for (const [o, factor] of scale.entries()) {
    if (factor === 0) continue;
    part.scale[o]! *= Math.abs(factor);
    part.shift[o]! *= Math.abs(factor);
  }
  return { scale: scale.map(Math.sign), shift };
}

const IDENTITY: Affine = { scale: Float64Array.of(1), shift: Float64Array.of(0) };

/** What is said of each color, in the opposite order. */
export function reversed({ scale, shift, mean }: Fold): Fold {
  return { scale: scale.toReversed(), shift: shift.toReversed(), mean: mean?.toReversed() };
}

/** What is said for each channel: one number stands for all. */
export function at(values: Float64Array, channel: number): number {
  return values[values.length === 1 ? 0 : channel]!;
}
