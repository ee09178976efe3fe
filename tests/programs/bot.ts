/** A bot that answers a picture's address with the label drawn on the picture. */

import { classify, isVggError } from "@edge/vgg16";
import { drawPredictions, encodePng, fetchImage, readImage } from "@edge/vgg16/image";
import type { FetchImageOptions } from "@edge/vgg16/image";

export async function answer(url: string, rules: FetchImageOptions): Promise<Blob | string> {
  try {
    const image = await readImage(await fetchImage(url, { ...rules, maxBytes: 5_000_000 }));
    const labels = await classify(image, { topK: 1 });
    return new Blob([await encodePng(await drawPredictions(image, labels))], { type: "image/png" });
  } catch (error) {
    if (isVggError(error)) return error.message;
    throw error;
  }
}
