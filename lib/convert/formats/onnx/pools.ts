/** Pools and averages. */

import type { Layout, Operator } from "../graph.ts";
import type { Axes, Axis } from "./axes.ts";
import type { Meaning, Translator } from "./call.ts";
import { geometryOf } from "./geometry.ts";
import { NotUnderstood } from "./not_understood.ts";
import { fromFront } from "./numbers.ts";

/** `MaxPool` and `AveragePool`, of integers that stand for floats too. */
export function pool(
  kind: "maxPool" | "averagePool",
  layout: Layout = "NCHW",
): Translator<Meaning> {
  return (call) => {
    if (kind === "averagePool") call.expectFloats();
    const window = call.integers("kernel_shape");
    if (window?.length !== 2) throw new NotUnderstood(`its window is [${window ?? ""}]`);
    const geometry = geometryOf(call, window as [number, number], layout);
    const { stride, padding, dilation } = geometry;
    if (dilation.some((distance) => distance !== 1)) {
      throw new NotUnderstood(`its window is dilated by ${dilation.join("x")}`);
    }
    const isPadded = padding !== "valid" && String(padding) !== "0,0,0,0";
    if (kind === "averagePool" && isPadded && call.integer("count_include_pad", 0) !== 0) {
      throw new NotUnderstood("it counts the zeros around the map (count_include_pad)");
    }
    const roundsUp = call.integer("ceil_mode", 0) !== 0;
    const [images, channels] = [call.mapAxes[0]!, channelsOf(call.mapAxes)];
    const places = geometry.places(roundsUp);
    const axes = layout === "NCHW" ? [images, channels, ...places] : [images, ...places, channels];
    const pair = window as [number, number];
    return call.moved([{ kind, window: pair, ...{ stride, padding, roundsUp, layout } }], axes);
  };
}

function channelsOf(axes: Axes): Axis {
  return axes.find(({ of }) => of === "channels")!;
}

/** `GlobalAveragePool`. */
export const globalAverage: Translator<Meaning> = (call) => {
  call.expectFloats();
  const one = (axis: Axis): Axis => axis.of === "places" ? { of: "places", size: 1 } : axis;
  const { isNonNegative } = call.value;
  return { operators: [{ kind: "globalAverage" }], axes: call.axes.map(one), isNonNegative };
};

/** `ReduceMean` over all places of a map. */
export const reduceMean: Translator<Meaning> = async (call) => {
  call.expectFloats();
  const { axes, value: { isNonNegative } } = call;
  const listed = await call.list("axes", 1, "the list of its axes");
  const isNothing = !listed?.length && call.integer("noop_with_empty_axes", 0) !== 0;
  if (isNothing) return call.moved([{ kind: "identity" }], axes);
  const reduced = new Set(
    listed?.length ? listed.map((axis) => fromFront(axis, axes.length)) : axes.keys(),
  );
  const isPlace = ({ of, size }: Axis): boolean => of === "places" && size !== 1;
  const because = `it averages over the axes ${[...reduced].join(", ")}: ` +
    "expected the places of a map, and all of them";
  if ([...reduced].some((axis) => axes[axis]?.of !== "places" && axes[axis]?.size !== 1)) {
    throw new NotUnderstood(because);
  }
  const keeps = call.integer("keepdims", 1) !== 0;
  const left = axes.flatMap((axis, index): Axis[] =>
    !reduced.has(index) ? [axis] : keeps ? [{ ...axis, size: 1 }] : []
  );
  // Each row first, and then the averages of the rows.
  const from = call.value.averages ?? call.source;
  if (left.some(isPlace)) {
    const operators: Operator[] = [{ kind: "unsupported", type: call.node.op, because }];
    return { operators, axes: left, isNonNegative, averages: from };
  }
  return { operators: [{ kind: "globalAverage" }], axes: left, isNonNegative, from };
};
