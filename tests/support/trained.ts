/**
 * What the networks of `fixtures/checkpoints/trained/` were trained for.
 *
 * @module
 */

import { decodeImage } from "../../lib/image/decode.ts";
import type { Pixels } from "../../lib/image/image.ts";

/** The folder. */
export const TRAINED = new URL("../fixtures/checkpoints/trained/", import.meta.url);

/** As `pictures.py` has them. */
export const LABELS: readonly string[] = ["stripes", "discs"].flatMap((shape) =>
  ["red", "blue"].flatMap((color) =>
    ["dark", "bright"].map((brightness) => `${brightness} ${color} ${shape}`)
  )
);

/** The label of a picture of the sheet. */
export function labelOf(picture: number): number {
  return picture % LABELS.length;
}

const SIDE = 32;

/** The pictures of the sheet, row by row, each pixel `times` times in both directions. */
export async function pictures(times = 1): Promise<Pixels[]> {
  const sheet = await decodeImage(await Deno.readFile(new URL("sheet.png", TRAINED)));
  const columns = sheet.width / SIDE, side = SIDE * times;
  return Array.from({ length: columns * sheet.height / SIDE }, (_, index) => {
    const top = Math.floor(index / columns) * SIDE, left = index % columns * SIDE;
    const data = new Uint8Array(side * side * 3);
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const row = top + Math.floor(y / times), column = left + Math.floor(x / times);
        const from = (row * sheet.width + column) * 3;
        data.set(sheet.data.subarray(from, from + 3), (y * side + x) * 3);
      }
    }
    return { data, width: side, height: side };
  });
}
