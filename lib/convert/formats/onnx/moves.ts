/** What moves the numbers of a value, and what computes nothing. */

import type { Operator } from "../graph.ts";
import { type Axes, type Axis, describeAxes, reshape } from "./axes.ts";
import type { Call, Meaning, Translator } from "./call.ts";
import { NotUnderstood } from "./not_understood.ts";
import { fromFront, unsqueezed } from "./numbers.ts";
import { isFloat, type OnnxType, onnxType } from "./tensor.ts";

/** `Identity`, and `Dropout`, also of a model that was exported while it was trained: it does nothing after. */
export const identity: Translator<Meaning> = (call) =>
  call.moved([{ kind: "identity" }], call.axes);

/** `Cast`: bytes become floats, and floats others. */
export const cast: Translator = (call) => castTo(call, onnxType(call.integer("to", 1)));

/** A cast to the type of another value, which is a constant, or else a float. */
export const castLike: Translator = (call) =>
  castTo(call, call.constants.get(call.node.inputs[1])?.type ?? "F32");

function castTo(call: Call, type: OnnxType | undefined): Meaning {
  const isRounded = type === undefined || !isFloat(type);
  if (isRounded && call.value.quantization === undefined) {
    throw new NotUnderstood("it rounds to integers");
  }
  return call.moved([{ kind: "identity" }], call.axes);
}

export const transpose: Translator = (call) => {
  const { axes } = call;
  const order = call.integers("perm") ?? [...axes.keys()].reverse();
  if (order.length !== axes.length || order.some((axis) => axes[axis] === undefined)) {
    throw new NotUnderstood(`it turns axes by [${order}]`);
  }
  const turned = order.map((axis) => axes[axis]!);
  const before = call.value.turned;
  const whole = before === undefined ? order : order.map((axis) => before.order[axis]!);
  const from = before?.from ?? call.source;
  const isBack = whole.every((axis, index) => axis === index);
  const operator: Operator = isBack ? { kind: "identity" } : { kind: "transpose", order: whole };
  return { ...call.moved([operator], turned), from, turned: { from, order: whole } };
};

export const flatten: Translator = (call) => {
  const { axes } = call, axis = fromFront(call.integer("axis", 1), axes.length);
  const before = axes.slice(0, axis);
  if (before.length === 0 ? axes[0]?.size !== 1 : !isVector(before)) {
    throw new NotUnderstood(`it flattens ${describeAxes(axes)} from axis ${axis} on`);
  }
  const images: Axis = axes[0]!.of === "images" ? axes[0]! : { of: "images", size: 1 };
  const sizes = axes.slice(images === axes[0] ? 1 : 0).map(({ size }) => size);
  const size = sizes.reduce((all, size) => all && size && all * size, 1);
  const kind = axes.length > 2 ? "flatten" : "identity";
  return call.moved([{ kind }], [images, { of: "channels", size }]);
};

/** Whether there are images, and nothing else of more than one element. */
function isVector(axes: Axes): boolean {
  return axes.every(({ of, size }) => of === "images" || size === 1);
}

export const reshaped: Translator = async (call) => {
  const target = call.integers("shape") ?? await call.elements(1, "its shape");
  if (target === undefined) throw new NotUnderstood("it has no shape");
  const { kind, axes, order } = reshape(call.axes, target, call.integer("allowzero", 0) !== 0);
  return call.moved([kind === "transpose" ? { kind, order } : { kind }], axes);
};

export const squeeze: Translator = async (call) => {
  const { axes } = call;
  const listed = await call.list("axes", 1, "the list of its axes");
  const dropped = listed?.map((axis) => fromFront(axis, axes.length));
  if (dropped === undefined && axes.some(({ size }) => size === undefined)) {
    // Of several images their number is not one, and the places of a map are then all that can go.
    const open = axes.filter(({ of, size }) => of !== "images" && size === undefined);
    if (open.length > 0) throw new NotUnderstood("what it drops depends on a size that is open");
  }
  const left = axes.filter(({ size }, axis) => dropped ? !dropped.includes(axis) : size !== 1);
  const gone = axes.filter((axis) => !left.includes(axis));
  if (gone.some(({ size }) => size !== 1 && size !== undefined)) {
    throw new NotUnderstood(`it drops axes of ${describeAxes(axes)} that have several elements`);
  }
  return call.moved([isFlattened(axes, left) ? { kind: "flatten" } : { kind: "identity" }], left);
};

/** Whether a map becomes a vector, for which a graph has a word. */
function isFlattened(axes: Axes, left: Axes): boolean {
  return axes.length > 2 && left.filter(({ of }) => of !== "images").length <= 1;
}

export const unsqueeze: Translator = async (call) => {
  const listed = await call.list("axes", 1, "the list of its axes");
  if (listed === undefined) throw new NotUnderstood("it has no list of axes");
  const { picks, averages } = call.value;
  const axes = unsqueezed<Axis>(call.axes, listed, () => ({ of: "places", size: 1 }));
  const moved = { ...call.moved([{ kind: "identity" }], axes), averages };
  // A color that was taken by its index becomes an axis of one again.
  const at = call.valueOf(picks?.from ?? "")?.axes?.findIndex(({ of }) => of === "channels");
  if (at === undefined || fromFront(listed[0]!, axes.length) !== at) return moved;
  return { ...moved, picks, axes: axes.with(at, { of: "channels", size: 1 }) };
};

/** `Pad` by zeros around a map. */
export const pad: Translator = async (call) => {
  const { axes } = call;
  const pads = await call.list("pads", 1, "the list of its pads");
  const listed = await call.list("axes", 3, "the list of its axes") ?? [...axes.keys()];
  if (pads?.length !== 2 * listed.length) throw new NotUnderstood(`its pads are [${pads ?? ""}]`);
  const sides = axes.map((): [number, number] => [0, 0]);
  for (const [index, axis] of listed.entries()) {
    sides[fromFront(axis, axes.length)] = [pads[index]!, pads[index + listed.length]!];
  }
  if (pads.every((size) => size === 0)) return call.moved([{ kind: "identity" }], axes);
  const mode = call.text("mode", "constant");
  const value = await call.number("value", 2, "what it pads with") ?? 0;
  if (mode !== "constant") throw new NotUnderstood(`its mode is ${mode}`);
  if (value !== 0) throw new NotUnderstood(`it pads with ${value}: expected zeros`);
  const isAround = sides.every(([before, after], axis) =>
    axes[axis]!.of === "places" ? before >= 0 && after >= 0 : before === 0 && after === 0
  );
  if (!isAround || axes.length !== 4) {
    throw new NotUnderstood(`its pads are [${pads}]: expected zeros around a map`);
  }
  const layout = axes[1]!.of === "channels" ? "NCHW" : "NHWC";
  const [vertical, horizontal] = (layout === "NCHW" ? sides.slice(2) : sides.slice(1, 3)) as [
    [number, number],
    [number, number],
  ];
  const padding = [vertical[0], horizontal[0], vertical[1], horizontal[1]] as const;
  const padded = axes.map(({ of, size }, axis): Axis => {
    const [before, after] = sides[axis]!;
    return { of, size: size === undefined ? undefined : size + before + after };
  });
  call.expectFloats();
  return call.moved([{ kind: "pad", padding, layout }], padded);
};
