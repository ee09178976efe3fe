/** Pictures with their labels on them. */

import type { Pixels } from "../image/image.ts";
import type { Prediction } from "../output/predictions.ts";
import { writeOutput } from "./outputs.ts";

/** Labels on a drawn image. */
const DRAWN_LABELS = 3;

type Draw = (image: Pixels, file: string, predictions: readonly Prediction[]) => Promise<void>;

/**
 * Writes labeled pictures, each of a file to its path.
 *
 * @param isReplaced Whether what is there of a file may be replaced.
 */
export async function drawer(
  pictures: ReadonlyMap<string, string>,
  isReplaced: (file: string) => boolean,
): Promise<Draw> {
  const { drawPredictions } = await import("../explain/draw.ts");
  const { encodePng } = await import("../image/codecs/encode_png.ts");
  return async (image, file, predictions) => {
    const picture = await drawPredictions(image, predictions.slice(0, DRAWN_LABELS));
    await writeOutput(pictures.get(file)!, await encodePng(picture), isReplaced(file)); // Of every input.
  };
}
