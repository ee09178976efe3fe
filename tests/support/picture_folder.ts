/**
 * Pictures of CIFAR-10 as files.
 *
 * @module
 */

import { join } from "@std/path";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import type { Dataset } from "../../lib/input/dataset.ts";
import { listSamples } from "../../lib/input/list_samples.ts";
import { pictureOf } from "./fitted.ts";

/** The file of a picture of a class of CIFAR-10, of 50. */
export function pngOf(row: number, n: number): Promise<Uint8Array> {
  return encodePng(pictureOf(row, n));
}

/** Does something with a folder with 40 pictures of cats and 40 of dogs, each 32x32. */
export async function withPictures(
  use: (folder: string, data: Dataset) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    for (const [label, row] of [["cat", 3], ["dog", 5]] as const) {
      await Deno.mkdir(join(folder, "pictures", label), { recursive: true });
      for (let n = 0; n < 40; n++) {
        await Deno.writeFile(join(folder, "pictures", label, `${n}.png`), await pngOf(row, n));
      }
    }
    await use(folder, await listSamples(join(folder, "pictures")));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
