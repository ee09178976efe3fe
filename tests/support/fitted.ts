/**
 * Cats and dogs of CIFAR-10, and models that were fitted on them.
 *
 * @module
 */

import { decodeImage } from "../../lib/image/decode.ts";
import type { Pixels } from "../../lib/image/image.ts";
import { cropImage } from "../../lib/image/resize.ts";
import { fit, type FitOptions } from "../../lib/train/fit.ts";
import { CIFAR10 } from "./cifar10.ts";

const SIDE = 32;
const CLASSES = [["cat", 3], ["dog", 5]] as const;

const sheet = await decodeImage(
  await Deno.readFile(new URL("../fixtures/cifar10/sheet.png", import.meta.url)),
);

/** A picture of a class of CIFAR-10, of 50. */
export function pictureOf(row: number, n: number): Pixels {
  return cropImage(sheet, { left: n * SIDE, top: row * SIDE, width: SIDE, height: SIDE });
}

/** So many cats and dogs. */
export function catsAndDogs(
  count: number,
): { labels: string[]; samples: { file: string; label: number; image: Pixels }[] } {
  const samples = CLASSES.flatMap(([name, row], label) =>
    Array.from({ length: count }, (_, n) => ({
      file: `${name}/${n}`,
      label,
      image: pictureOf(row, n),
    }))
  );
  return { labels: CLASSES.map(([name]) => name), samples };
}

/** The file of a model that was fitted on ten cats and ten dogs. */
export async function fittedModel(options: FitOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  const usual = { model: CIFAR10, backend: "wasm", head: "linear" } as const;
  return (await fit(catsAndDogs(10), { ...usual, ...options, out: undefined })).bytes;
}
