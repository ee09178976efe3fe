/** The order of an image's axes, as what is done to it tells. */

import type { Layout } from "../graph.ts";
import type { OnnxInput, OnnxNode } from "./parse.ts";

/** What takes maps of channels first; integers' may say otherwise. */
const MAP_OPERATORS = /Conv$|^ConvInteger$|Pool$/;

/**
 * Follows images to the first convolution or pool, which takes its channels first, through whatever turns
 * their axes round. An image that does not get there has 1 or 3 channels.
 */
export function inputLayouts(
  inputs: readonly OnnxInput[],
  nodes: readonly OnnxNode[],
): ReadonlyMap<string, Layout | undefined> {
  const layouts = new Map<string, Layout | undefined>();
  // What comes from an image, and which of the image's axes each of its axes is.
  const ways = new Map(inputs.map(({ name }) => [name, { image: name, order: [0, 1, 2, 3] }]));
  for (const { op, domain, inputs, outputs, attributes } of nodes) {
    const way = ways.get(inputs.find((input) => ways.has(input)) ?? "");
    if (way === undefined || op === "Shape" || op === "Reshape" || op === "Flatten") continue;
    const { image, order } = way;
    if (MAP_OPERATORS.test(op)) {
      const isBlocked = domain.startsWith("com.microsoft.") || domain.startsWith("com.ms.");
      const isLast = attributes.get("channels_last")?.int === 1 || op.startsWith("Nhwc");
      if (!layouts.has(image) && !isBlocked) layouts.set(image, layoutOf(order, isLast));
      continue;
    }
    const perm = op === "Transpose" ? attributes.get("perm")?.ints ?? [3, 2, 1, 0] : undefined;
    const turned = perm?.slice(0, 4).map((axis) => order[axis] ?? 0) ?? order;
    for (const output of outputs) ways.set(output, { image, order: turned });
  }
  for (const { name, shape } of inputs) {
    if (!layouts.has(name)) {
      layouts.set(name, shape?.length === 4 ? layoutOfColors(shape) : undefined);
    }
  }
  return layouts;
}

function layoutOfColors([, first, , last]: readonly (number | undefined)[]): Layout | undefined {
  if (isColors(first)) return isColors(last) ? undefined : "NCHW";
  return isColors(last) ? "NHWC" : undefined;
}

function layoutOf(order: readonly number[], isLast: boolean): Layout | undefined {
  const channels = order[isLast ? 3 : 1];
  const inOrder = String(order.filter((axis) => axis !== channels));
  if (channels === 1 && inOrder === "0,2,3") return "NCHW";
  return channels === 3 && inOrder === "0,1,2" ? "NHWC" : undefined;
}

function isColors(size: number | undefined): boolean {
  return size === 1 || size === 3;
}
