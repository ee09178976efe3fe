/** Where the windows of convolutions and pools are. */

import type { Layout, Padding, Pair } from "../graph.ts";
import type { Axis } from "./axes.ts";
import type { Call } from "./call.ts";
import { NotUnderstood } from "./not_understood.ts";

/** Where the windows of a convolution or a pool are. */
export interface Geometry {
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  /** The places of the result. */
  places(roundsUp: boolean): [Axis, Axis];
}

/** Strides, dilations and paddings of a window, whatever way they are written. */
export function geometryOf(call: Call, window: Pair, layout: Layout): Geometry {
  const stride = pairOf(call, "strides"), dilation = pairOf(call, "dilations");
  const sizes = call.mapAxes.slice(...layout === "NCHW" ? [2, 4] : [1, 3]).map(({ size }) => size);
  const reach = window.map((size, side) => (size - 1) * dilation[side]! + 1);
  const auto = call.text("auto_pad", "NOTSET");
  const isSame = auto === "SAME_UPPER" || auto === "SAME_LOWER";
  /** All zeros of a side where there are as many outputs as there are strides. */
  const zeros = (side: 0 | 1): number | undefined => {
    if (stride[side] === 1) return reach[side]! - 1;
    const size = sizes[side];
    return size &&
      Math.max((Math.ceil(size / stride[side]) - 1) * stride[side] + reach[side]! - size, 0);
  };
  const padding = paddingOf(call, auto, [zeros(0), zeros(1)]);
  const place = (side: 0 | 1, roundsUp: boolean): Axis => {
    const size = sizes[side];
    if (size === undefined) return { of: "places", size };
    if (isSame) return { of: "places", size: Math.ceil(size / stride[side]) };
    const around = typeof padding === "string" ? 0 : padding[side] + padding[side === 0 ? 2 : 3];
    const steps = (size + around - reach[side]!) / stride[side];
    return { of: "places", size: (roundsUp ? Math.ceil(steps) : Math.floor(steps)) + 1 };
  };
  return {
    ...{ stride, padding, dilation },
    places: (roundsUp) => [place(0, roundsUp), place(1, roundsUp)],
  };
}

function paddingOf(
  call: Call,
  auto: string,
  zeros: readonly (number | undefined)[],
): Padding {
  if (auto === "SAME_UPPER") return "same";
  if (auto === "VALID") return "valid";
  if (auto === "SAME_LOWER") {
    const [height, width] = zeros;
    if (height === undefined || width === undefined) {
      throw new NotUnderstood("its padding (SAME_LOWER) depends on a size that is open");
    }
    const [top, left] = [Math.ceil(height / 2), Math.ceil(width / 2)];
    return [top, left, height - top, width - left];
  }
  if (auto !== "NOTSET" && auto !== "") throw new NotUnderstood(`its auto_pad is ${auto}`);
  const pads = call.integers("pads") ?? [0, 0, 0, 0];
  if (pads.length !== 4) throw new NotUnderstood(`its pads are [${pads}]`);
  return pads as [number, number, number, number];
}

function pairOf(call: Call, attribute: string): Pair {
  const pair = call.integers(attribute) ?? [1, 1];
  if (pair.length !== 2) throw new NotUnderstood(`its ${attribute} are [${pair}]`);
  return pair as [number, number];
}
