/** The small tensors of a network: what is said for each channel. */

import { CheckpointFormatError } from "../../errors.ts";
import { type CheckpointTensor, readAll, sizeOf } from "../formats/checkpoint.ts";
import type { Constant, Layout } from "../formats/graph.ts";
import { unsupported } from "./trace.ts";

/** What a value looks like where a constant meets it. */
export interface ValueShape {
  /** `"flat"`: `[N, features]`; `undefined`: nobody knows yet. */
  readonly layout: Layout | "flat" | undefined;
  /** Whether there is one position only. */
  readonly isPoint: boolean;
}

/** More numbers than any layer of a VGG has inputs. */
const MAX_NUMBERS = 1 << 20;

/** Where the channels are, counted from the last axis. */
const CHANNEL_AXIS = { NCHW: 3, NHWC: 1, flat: 1 } as const;

/**
 * Reads a constant that goes with the channels of a value.
 *
 * @returns One number, or one for each channel.
 * @throws {CheckpointFormatError} If it goes with another axis, as a mean image does.
 */
export async function channelValues(
  constant: Constant,
  { layout, isPoint }: ValueShape,
  file: string,
): Promise<Float64Array> {
  if (typeof constant === "number") return Float64Array.of(constant);
  const { name, shape } = constant;
  const axes = shape.flatMap((size, axis) => size === 1 ? [] : [shape.length - axis]);
  // An average may have dropped the axes of its one position.
  const expected = [
    ...layout === undefined ? [1, 3] : [CHANNEL_AXIS[layout]],
    ...isPoint ? [1] : [],
  ];
  const fits = axes.length === 0 || (axes.length === 1 && expected.includes(axes[0]!));
  if (!fits) {
    throw unsupported(
      `Tensor ${name} of ${file} is added to a value or multiplied with it, and has shape [${shape}]: ` +
        "expected one number, or one for each channel",
      file,
    );
  }
  return await readVector(constant, file);
}

/**
 * Reads a small tensor whatever its axes, as float64.
 *
 * @param length The numbers that it must have.
 * @throws {CheckpointFormatError} If it has others, or one that is not finite.
 */
export async function readVector(
  tensor: CheckpointTensor,
  file: string,
  length?: number,
): Promise<Float64Array> {
  const { name, shape } = tensor;
  const found = sizeOf(shape);
  if ((length ?? found) !== found || found > MAX_NUMBERS) {
    throw unsupported(
      `Tensor ${name} of ${file} must have ${
        length ?? "fewer"
      } numbers, one for each output: found shape [${shape}]`,
      file,
    );
  }
  const values = Float64Array.from(await readAll(tensor));
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return values;
  throw new CheckpointFormatError(
    `Tensor ${name} of ${file} must be finite: number ${bad} is not`,
    { file },
  );
}
