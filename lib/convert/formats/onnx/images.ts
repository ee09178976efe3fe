/** What a model says about the images that it takes. */

import type { ImageHint } from "../checkpoint.ts";
import type { OnnxModel } from "./parse.ts";

/** The ranges of ONNX's metadata: what a byte becomes. */
const RANGES: Readonly<Record<string, { scale: number; mean: number }>> = {
  NominalRange_0_255: { scale: 1, mean: 0 },
  Normalized_0_1: { scale: 1 / 255, mean: 0 },
  Normalized_1_1: { scale: 1 / 127.5, mean: 1 },
};

const COLORS: Readonly<Record<string, "rgb" | "bgr">> = { Rgb8: "rgb", Bgr8: "bgr" };

/**
 * The preprocessing that a model's metadata name, or else what is usual for the tool that wrote it.
 *
 * @see {@link https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md}
 */
export function hintOf({ metadata, producer }: OnnxModel): ImageHint {
  const range = RANGES[metadata.get("Image.NominalPixelRange") ?? ""];
  const colors = COLORS[metadata.get("Image.BitmapPixelFormat") ?? ""];
  if (range !== undefined) {
    const preprocessing = {
      scale: range.scale,
      mean: [range.mean, range.mean, range.mean],
      std: [1, 1, 1],
    };
    return {
      preprocessing,
      colors: colors ?? "rgb",
      isRead: true,
      because: "Image.NominalPixelRange",
    };
  }
  const isKeras = /tf2onnx|keras/i.test(producer);
  return isKeras
    ? { preprocessing: "caffe", colors, isRead: false, because: "usual for Keras" }
    : { preprocessing: "torch", colors, isRead: false, because: "usual for PyTorch" };
}
