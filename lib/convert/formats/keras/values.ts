/** What the values of a graph look like, and what a layer makes of one. */

import { isRecord } from "../../../model/json.ts";
import { type CheckpointTensor, OUTPUTS_LAST, sizeOf } from "../checkpoint.ts";
import type { Constant, Layout, Operator, Pair } from "../graph.ts";
import type { Json, KerasLayer } from "./description.ts";
import type { Role } from "./weights.ts";

/** A value, as far as the description tells. */
export interface Shape {
  /** The order of a map's axes, or `"vector"`; `undefined` if nobody knows. */
  readonly kind: Layout | "vector" | undefined;
  /** Height and width, as long as they are the input's. */
  readonly size?: Pair | undefined;
}

/** A layer that is called with one value. */
export interface Taken {
  readonly layer: KerasLayer;
  readonly config: Json;
  readonly shape: Shape;
  /** The layer's weight; it is an error if the file has none. */
  weight(role: Role): CheckpointTensor;
}

/** What a layer does, one after the other, and the value that it gives. */
export interface Made {
  readonly operators: readonly Operator[];
  readonly shape: Shape;
}

/** Why a layer is not one that can be translated. */
export class Untranslatable extends Error {
  constructor(because: string, readonly type?: string) {
    super(because);
  }
}

/** What does nothing to a value's shape. */
export function elementwise({ shape }: Taken, ...operators: Operator[]): Made {
  return { operators, shape };
}

/** The layout that a layer's `data_format` says; if it says none, that of what it takes. */
export function layoutOf({ data_format }: Json, { kind }: Shape): Layout {
  if (data_format === "channels_first") return "NCHW";
  if (data_format === "channels_last") return "NHWC";
  return kind === "NCHW" ? "NCHW" : "NHWC";
}

/** A number for both directions, or two. */
export function pairOf(value: unknown, word: string): Pair {
  const [vertical, horizontal, ...others] = Array.isArray(value) ? value : [value, value];
  if (!Number.isInteger(vertical) || !Number.isInteger(horizontal) || others.length > 0) {
    throw new Untranslatable(`its ${word} must be two numbers`);
  }
  return [vertical, horizontal];
}

/** More axes than a constant of a network has. */
const MAX_AXES = 8;

/** Numbers that a description has: one, or lists of lists of them. */
export function constantOf(value: unknown, name: string): Constant {
  if (typeof value === "number") return value;
  const plain = isRecord(value) && isRecord(value.config) ? value.config.value : value;
  const shape: number[] = [];
  for (let part = plain; Array.isArray(part); part = part[0]) shape.push(part.length);
  if (shape.length > MAX_AXES) throw new Untranslatable(`its constants have over ${MAX_AXES} axes`);
  const values = Array.isArray(plain) ? plain.flat(shape.length) : [plain];
  if (values.length !== sizeOf(shape) || !values.every((item) => typeof item === "number")) {
    throw new Untranslatable("its constants are no numbers");
  }
  // One number for all is what a network has as a rule; leading axes of one element do nothing.
  if (new Set(values).size === 1) return values[0]!;
  while (shape[0] === 1) shape.shift();
  return tensorOf(name, shape, () => values);
}

/** A small tensor whose numbers are not in the file as they are. */
export function tensorOf(
  name: string,
  shape: readonly number[],
  valuesOf: () => ArrayLike<number> | Promise<ArrayLike<number>>,
): CheckpointTensor {
  return {
    name,
    shape,
    layout: OUTPUTS_LAST,
    async read({ start, length, stride, count }, into): Promise<void> {
      const values = await valuesOf();
      for (let run = 0, at = 0; run < count; run++) {
        for (let i = 0; i < length; i++) into[at++] = values[start + run * stride + i]!;
      }
    },
  };
}
