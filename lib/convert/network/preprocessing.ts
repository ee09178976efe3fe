/** The two ways in which the published VGG weights want their images. */

import type { Architecture } from "../../model/architecture.ts";
import type { Preprocessing } from "../../model/model.ts";

/**
 * Makes a preprocessing for an input size.
 *
 * `"torch"` is torchvision's: bytes to 0…1, then the mean and standard deviation of ImageNet.
 * `"caffe"` is that of the paper's authors, of Keras and of the numpy files: the mean is subtracted
 * from the bytes. Their networks take blue, green, red; the converter turns conv1_1 round instead, so
 * means are in R, G, B order here too.
 *
 * A network for grey images has no published statistics: its bytes become 0…1.
 */
export function preprocessingFor(
  name: "torch" | "caffe",
  input: Architecture["input"],
): Preprocessing {
  const side = Math.max(input.height, input.width);
  const common = {
    resize: "shorter-side",
    // The paper's and torchvision's ratio of 256 to 224, which leaves small inputs as they are.
    size: side >= 64 ? Math.round(side * 256 / 224) : side,
    filter: "bilinear",
  } as const;
  if (input.channels === 1) return { ...common, scale: 1 / 255, mean: [0], std: [1] };
  return name === "torch"
    ? { ...common, scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
    : { ...common, scale: 1, mean: [123.68, 116.779, 103.939], std: [1, 1, 1] };
}
