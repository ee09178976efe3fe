/** How images are prepared for a network, where its graph does not say so. */

import { type CheckpointTensor, type ImageHint, readAll } from "../checkpoint.ts";
import type { TfGraph } from "./graph_def.ts";

/** Of a graph whose images are integers. */
export const BYTES: ImageHint = {
  preprocessing: "byte",
  isRead: true,
  because: "the type of the graph's input",
};

/** `DT_INT32`, `DT_UINT8`, `DT_INT64`. */
const INTEGERS: readonly (number | undefined)[] = [3, 4, 9];

/** Whether a graph takes images as integers, so that nothing is done to them before. */
export function takesBytes({ nodes }: TfGraph): boolean {
  const inputs = [...nodes.values()].filter(({ op, attributes }) =>
    op === "Placeholder" && (attributes.get("shape")?.shape?.length ?? 0) >= 3
  );
  return inputs.length > 0 &&
    inputs.every(({ attributes }) => INTEGERS.includes(attributes.get("dtype")?.int));
}

/** What is usual for whoever gives layers such names; `undefined` if they are nobody's. */
export function usualImages(names: readonly string[]): ImageHint | undefined {
  // `vgg_16/conv1/conv1_1/weights`
  if (names.some((name) => /(^|\/)conv1\/conv1_1\//.test(name))) return SLIM_IMAGES;
  // `vgg16/block1_conv1/Conv2D`
  return names.some((name) => /(^|\/)\w+\/(Conv2D|convolution|kernel)\b/.test(name))
    ? KERAS_IMAGES
    : undefined;
}

const SLIM_IMAGES: ImageHint = {
  preprocessing: { scale: 1, mean: [123.68, 116.78, 103.94], std: [1, 1, 1] },
  colors: "rgb",
  isRead: false,
  because: "usual for TF-Slim",
};

const KERAS_IMAGES: ImageHint = {
  preprocessing: "caffe",
  isRead: false,
  because: "usual for Keras",
};

/** TF-Slim's authors keep the mean beside the weights. */
export async function slimImages(
  tensors: ReadonlyMap<string, CheckpointTensor>,
): Promise<ImageHint | undefined> {
  for (const tensor of tensors.values()) {
    if (!/(^|\/)mean_rgb$/.test(tensor.name) || String(tensor.shape) !== "3") continue;
    const mean = Array.from(await readAll(tensor));
    const preprocessing = { scale: 1, mean, std: [1, 1, 1] };
    return { preprocessing, colors: "rgb", isRead: true, because: tensor.name };
  }
}
