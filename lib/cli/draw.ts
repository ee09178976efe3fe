/** Pictures with their labels on them. */

import { dirname } from "node:path";
import type { ImageInput } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import { writeWhole } from "../io/atomic_file.ts";
import type { Prediction } from "../output/predictions.ts";
import { makeFolder } from "../platform.ts";

/** Labels on a drawn image. */
const DRAWN_LABELS = 3;

type Draw = (image: ImageInput, file: string, predictions: readonly Prediction[]) => Promise<void>;

/** Writes labeled pictures, each of a file to its path. */
export async function drawer(pictures: ReadonlyMap<string, string>): Promise<Draw> {
  const { drawPredictions } = await import("../explain/draw.ts");
  const { encodePng } = await import("../image/codecs/encode_png.ts");
  return async (image, file, predictions) => {
    const labels = predictions.slice(0, DRAWN_LABELS);
    const picture = await drawPredictions(await readImage(image), labels);
    const path = pictures.get(file)!; // Of every input.
    await makeFolder(dirname(path));
    await writeWhole(path, await encodePng(picture));
  };
}
