/** Pictures with their labels on them. */

import type { ImageInput } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import type { Prediction } from "../output/predictions.ts";
import { writeOutput } from "./outputs.ts";

/** Labels on a drawn image. */
const DRAWN_LABELS = 3;

type Draw = (image: ImageInput, file: string, predictions: readonly Prediction[]) => Promise<void>;

/**
 * Writes labeled pictures, each of a file to its path.
 *
 * @param isReplaced Whether what is there may be replaced.
 */
export async function drawer(
  pictures: ReadonlyMap<string, string>,
  isReplaced: boolean,
): Promise<Draw> {
  const { drawPredictions } = await import("../explain/draw.ts");
  const { encodePng } = await import("../image/codecs/encode_png.ts");
  return async (image, file, predictions) => {
    const labels = predictions.slice(0, DRAWN_LABELS);
    const picture = await drawPredictions(await readImage(image), labels);
    await writeOutput(pictures.get(file)!, await encodePng(picture), isReplaced); // Of every input.
  };
}
