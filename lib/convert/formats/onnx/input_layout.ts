/** The order of an image's axes, as what is done to it tells. */

import type { Layout } from "../graph.ts";
import type { OnnxInput, OnnxNode } from "./parse.ts";

/** What takes maps of channels first; integers' may say otherwise. */
const MAP_OPERATORS = /Conv$|^ConvInteger$|Pool$/;

/**
 * Follows an image to the first convolution or pool, which takes its channels first, through whatever turns
 * its axes round. An image that does not get there has 1 or 3 channels.
 */
export function inputLayout(
  { name, shape }: OnnxInput,
  nodes: readonly OnnxNode[],
): Layout | undefined {
  // What comes from the image, and which of the image's axes each of its axes is.
  const orders = new Map([[name, [0, 1, 2, 3]]]);
  for (const { op, domain, inputs, outputs, attributes } of nodes) {
    const order = orders.get(inputs.find((input) => orders.has(input)) ?? "");
    if (order === undefined || op === "Shape") continue;
    if (MAP_OPERATORS.test(op)) {
      if (domain.startsWith("com.microsoft.") || domain.startsWith("com.ms.")) return undefined;
      const isLast = attributes.get("channels_last")?.int === 1 || op.startsWith("Nhwc");
      return layoutOf(order, isLast);
    }
    const perm = op === "Transpose" ? attributes.get("perm")?.ints ?? [3, 2, 1, 0] : undefined;
    if (op === "Reshape" || op === "Flatten") break;
    const turned = perm?.map((axis) => order[axis] ?? 0) ?? order;
    for (const output of outputs) orders.set(output, turned);
  }
  if (shape?.length !== 4) return undefined;
  const [, first, , last] = shape;
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
