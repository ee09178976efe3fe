/** The images that a graph takes. */

import type { Layout } from "../graph.ts";
import type { Sizes } from "./tensor_proto.ts";
import type { Activation, Place, Translation } from "./values.ts";

/**
 * Adds the input.
 *
 * @param shape Of images, or of one image; of another shape nothing is said.
 */
export function images(to: Translation, place: Place, shape: Sizes | undefined): Activation {
  const sizes = shape?.length === 4 ? shape : shape?.length === 3 ? [1, ...shape] : undefined;
  const isColor = (size: number | undefined): boolean => size === 1 || size === 3;
  const layout: Layout | undefined = isColor(sizes?.[3])
    ? "NHWC"
    : isColor(sizes?.[1])
    ? "NCHW"
    : undefined;
  const [, a, b, c] = sizes ?? [];
  const [channels, height, width] = layout === "NCHW" ? [a, b, c] : [c, a, b];
  const known = layout === undefined ? {} : { channels, height, width };
  return to.emit(place, { ...NOTHING_KNOWN, ...known, layout }, [], shape, layout);
}

const NOTHING_KNOWN = {
  kind: "input",
  height: undefined,
  width: undefined,
  channels: undefined,
} as const;
