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
 * The preprocessing that a model's metadata name or that its input needs, or else what is usual for the tool
 * that wrote it.
 *
 * @see {@link https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md}
 */
export function hintOf({ metadata, producer, inputs }: OnnxModel): ImageHint {
  const range = RANGES[metadata.get("Image.NominalPixelRange") ?? ""];
  const format = metadata.get("Image.BitmapPixelFormat") ?? "";
  const colors = COLORS[format];
  if (range !== undefined) {
    const { scale, mean } = range, count = format.startsWith("Gray") ? 1 : 3;
    const [means, ones] = [mean, 1].map((value) => new Array<number>(count).fill(value));
    const preprocessing = { scale, mean: means, std: ones };
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
