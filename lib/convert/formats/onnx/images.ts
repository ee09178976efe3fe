/** What a model says about the images that it takes. */

import type { ImageHint } from "../checkpoint.ts";
import type { OnnxModel } from "./parse.ts";

/** The ranges of ONNX's metadata: what a byte becomes. */
const RANGES: ReadonlyMap<string, { scale: number; mean: number }> = new Map([
  ["NominalRange_0_255", { scale: 1, mean: 0 }],
  ["Normalized_0_1", { scale: 1 / 255, mean: 0 }],
  ["Normalized_1_1", { scale: 1 / 127.5, mean: 1 }],
]);

const COLORS: ReadonlyMap<string, "rgb" | "bgr"> = new Map([["Rgb8", "rgb"], ["Bgr8", "bgr"]]);

/**
 * The preprocessing that a model's metadata name or that its input needs, or else what is usual for the tool
 * that wrote it.
 *
 * @see {@link https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md}
 */
export function hintOf({ metadata, producer, inputs }: OnnxModel): ImageHint {
  const range = RANGES.get(metadata.get("Image.NominalPixelRange") ?? "");
  const colors = COLORS.get(metadata.get("Image.BitmapPixelFormat") ?? "");
  if (range !== undefined) {
    const preprocessing = { scale: range.scale, mean: [range.mean], std: [1] };
    return { preprocessing, colors, isRead: true, because: "Image.NominalPixelRange" };
  }
  if (inputs[0]?.type === "U8") {
    return { preprocessing: "byte", colors, isRead: true, because: "its input, which is bytes" };
  }
  const isKeras = /tf2onnx|keras/i.test(producer);
  return {
    preprocessing: isKeras ? "caffe" : "torch",
    colors,
    isRead: false,
    because: `usual for ${isKeras ? "Keras" : "PyTorch"}`,
  };
}
