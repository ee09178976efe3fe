/** What takes colors apart, joins them and turns their order round. */

import type { Operator } from "../graph.ts";
import { describeAxes } from "./axes.ts";
import type { Call, Meaning, Translator } from "./call.ts";
import { identity } from "./moves.ts";
import { NotUnderstood } from "./not_understood.ts";
import { fromFront, slicedIndices } from "./numbers.ts";

/** `Gather` of channels. */
export const gather: Translator = async (call) => {
  const axis = fromFront(call.integer("axis", 0), call.axes.length);
  const indices = (await call.elements(1, "the list of its indices"))!;
  const isScalar = call.constant(1, "the list of its indices").shape.length === 0;
  const { axes } = call, size = axes[axis]?.size;
  if (isScalar && size === 1) return call.moved([{ kind: "identity" }], axes.toSpliced(axis, 1));
  const picked = indices.map((index) =>
    typeof index === "number" ? fromFront(index, size ?? 0) : -1
  );
  const meaning = picking(call, axis, picked);
  return isScalar ? { ...meaning, axes: axes.toSpliced(axis, 1) } : meaning;
};

/** `GatherND` of whole entries of the first axis. */
export const gatherND: Translator = async (call) => {
  const { shape } = call.constant(1, "the list of its indices");
  const indices = (await call.elements(1, "the list of its indices"))!;
  const isList = shape.length === 2 && shape[1] === 1 && call.integer("batch_dims", 0) === 0;
  if (!isList) throw new NotUnderstood(`its indices have the shape [${shape}]`);
  return picking(call, 0, indices.map((index) => typeof index === "number" ? index : -1));
};

/** `Slice` of channels, or of everything. */
export const slice: Translator = async (call) => {
  const { axes } = call;
  const starts = await call.list("starts", 1, "the list of its starts");
  const ends = await call.list("ends", 2, "the list of its ends");
  if (starts === undefined || ends?.length !== starts.length) {
    throw new NotUnderstood("it has no starts and ends");
  }
  const listed = await call.list("axes", 3, "the list of its axes") ?? [...starts.keys()];
  const steps = await call.list("steps", 4, "the list of its steps") ?? starts.map(() => 1);
  let picks: { axis: number; channels: number[] } | undefined;
  for (const [index, negative] of listed.entries()) {
    const axis = fromFront(negative, axes.length), of = axes[axis];
    const [start, end, step] = [starts[index]!, ends[index]!, steps[index]!];
    // Sizes of this world end before.
    const isAll = start === 0 && step === 1 &&
      (end >= 1e9 || (of?.size !== undefined && end >= of.size));
    if (isAll) continue;
    const channels = of?.of === "channels" && (of.size ?? Infinity) <= MAX_COLORS
      ? slicedIndices(of.size!, start, end, step)
      : undefined;
    if (channels === undefined || picks !== undefined) {
      throw new NotUnderstood(`it takes a part of ${describeAxes(axes)}`);
    }
    picks = { axis, channels };
  }
  if (picks === undefined) return call.moved([{ kind: "identity" }], axes);
  return picking(call, picks.axis, picks.channels);
};

/** `Split` into channels. */
export const split: Translator = async (call) => {
  const { axes } = call, axis = fromFront(call.integer("axis", 0), axes.length);
  const size = axes[axis]?.size ?? 0, count = call.node.outputs.length;
  const sizes = await call.list("split", 1, "the list of its sizes") ??
    call.node.outputs.map(() => size / count);
  let begin = 0;
  return sizes.map((size) => {
    const channels = Array.from({ length: Math.min(size, MAX_COLORS) }, (_, i) => begin + i);
    begin += size;
    return picking(call, axis, channels);
  });
};

/** Colors, and the transparency that some have. */
const MAX_COLORS = 4;

/** Takes some channels, or all of them in another order. */
export function picking(call: Call, axis: number, channels: readonly number[]): Meaning {
  const of = call.axes[axis];
  if (of?.of !== "channels" || of.size === undefined || of.size > MAX_COLORS) {
    throw new NotUnderstood(`it takes a part of ${describeAxes(call.axes)}`);
  }
  const order = ordered(channels, of.size);
  if (order !== undefined) return call.beforeTurn(order, call.moved([], call.axes));
  const because = `it takes the channels ${channels.join(", ")} of ${of.size}`;
  return {
    operators: [{ kind: "unsupported", type: call.node.op, because }],
    axes: call.axes.with(axis, { of: "channels", size: channels.length }),
    isImage: call.value.isImage,
    picks: { from: call.source, channels },
  };
}

/** What all channels in some order are; `undefined` if that has no name. */
function ordered(channels: readonly number[], size: number): Operator | undefined {
  if (channels.length !== size) return undefined;
  if (channels.every((channel, index) => channel === index)) return { kind: "identity" };
  const isReversed = channels.every((channel, index) => channel === size - 1 - index);
  return isReversed && size === 3 ? { kind: "reverseColors" } : undefined;
}

/** `Concat` of the channels that others took apart. */
export const concat: Translator = (call) => {
  const [first, ...others] = call.node.inputs.map(call.valueOf);
  if (others.length === 0) return identity(call);
  const from = first?.picks?.from, source = call.valueOf(from ?? "");
  const parts = [first, ...others].map((value) => value?.picks);
  const axes = first?.axes, axis = axes && fromFront(call.integer("axis", 1), axes.length);
  const isWhole = source?.axes !== undefined && parts.every((part) => part?.from === from) &&
    axes?.length === source.axes.length && source.axes[axis!]?.of === "channels";
  const channels = parts.flatMap((part) => part?.channels ?? []);
  const order = isWhole ? ordered(channels, source.axes[axis!]!.size ?? 0) : undefined;
  if (order === undefined) {
    throw new NotUnderstood("it joins several values: a VGG is one chain of layers");
  }
  const { axes: whole, isImage, isNonNegative } = source!;
  return { operators: [order], axes: whole, isImage, isNonNegative, from };
};
