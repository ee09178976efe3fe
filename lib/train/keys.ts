/** What names things that a fit keeps: whatever they depend on. */

import type { LazyImage } from "../image/image.ts";
import { isRawPixels, readBytes } from "../image/read.ts";
import { openImage } from "../input/batches.ts";
import type { IndexedSample } from "../input/dataset.ts";
import { sha256 } from "../io/sha256.ts";
import type { Model } from "../model/model.ts";
import { describePath } from "../platform.ts";
import { asUrl } from "../urls.ts";

/** A name for whatever depends on these settings alone. */
export async function keyOf(settings: unknown): Promise<string> {
  return (await sha256(JSON.stringify(settings))).slice(0, 16);
}

/** A name for a model's numbers: its scales and biases differ wherever its weights do. */
export function modelKey({ id, parameters }: Model): Promise<string> {
  const numbers = parameters.flatMap(({ scale, bias }) => [scale, bias]);
  const bytes = numbers.map(({ buffer, byteOffset, byteLength }) =>
    new Uint8Array(buffer, byteOffset, byteLength)
  );
  return sha256(id, ...bytes);
}

/**
 * What tells pictures from others, as far as possible without decoding them: size and time of a file, the
 * hash of what is in memory. Of a file that is not there nothing is known.
 */
export async function samplesKey(samples: readonly IndexedSample[]): Promise<unknown[]> {
  const keys: unknown[] = [];
  for (const { file, image } of samples) keys.push([file, ...await contentKey(image ?? file)]);
  return keys;
}

async function contentKey(lazy: LazyImage): Promise<unknown[]> {
  try {
    const image = await openImage(lazy);
    if (isRawPixels(image)) return [image.width, image.height, await hashOf(image.data)];
    if (typeof image !== "string" && !(image instanceof URL)) {
      // What can be read once is left for whoever learns from it.
      return image === lazy && isReadOnce(image) ? [] : [await hashOf(await readBytes(image, {}))];
    }
    const url = asUrl(image);
    if (url !== undefined && url.protocol !== "file:") return [];
    const { size, modifiedMs } = await describePath(url ?? String(image));
    return [size, modifiedMs];
  } catch {
    return []; // Whatever is wrong with it is said when it is read.
  }
}

const isReadOnce = (image: unknown): boolean =>
  image instanceof ReadableStream || image instanceof Response;

function hashOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Promise<string> {
  return sha256(new Uint8Array(buffer, byteOffset, byteLength));
}
