/** What names things that a fit keeps: whatever they depend on. */

import type { LazyImage } from "../image/image.ts";
import { isRawPixels, readBytes } from "../image/read.ts";
import { openImage } from "../input/batches.ts";
import type { IndexedSample } from "../input/dataset.ts";
import { sha256 } from "../io/sha256.ts";
import { describePath, realPath } from "../platform.ts";
import { asUrl } from "../urls.ts";

/** A name for whatever depends on these settings alone. */
export async function keyOf(settings: unknown): Promise<string> {
  return (await sha256(JSON.stringify(settings))).slice(0, 16);
}

/**
 * What tells a picture from all others, as far as possible without decoding it, as SHA-256 in hex: path, size and time
 * of a file, the bytes or pixels of what is in memory, whatever that is called, and of what is on the network its URL.
 *
 * @returns Undefined if nothing is known of it, as it can be read once or is not there.
 */
export async function pictureKey(
  { file, image }: Pick<IndexedSample, "file" | "image">,
): Promise<string | undefined> {
  try {
    const content = await contentKey(image ?? file);
    return content && await sha256(JSON.stringify(content));
  } catch {
    return undefined; // Whatever is wrong with it is said when it is read.
  }
}

async function contentKey(lazy: LazyImage): Promise<unknown[] | undefined> {
  const image = await openImage(lazy);
  if (isRawPixels(image)) return ["pixels", image.width, image.height, await hashOf(image.data)];
  if (typeof image !== "string" && !(image instanceof URL)) {
    // What can be read once is left for whoever learns from it.
    if (image === lazy && isReadOnce(image)) return undefined;
    return ["bytes", await hashOf(await readBytes(image, {}))];
  }
  const url = asUrl(image);
  if (url !== undefined && url.protocol !== "file:") return ["url", url.href];
  const path = url ?? String(image), { size, modifiedMs } = await describePath(path);
  // A relative path is another file in another folder.
  return ["file", await realPath(path), size, modifiedMs];
}

const isReadOnce = (image: unknown): boolean =>
  image instanceof ReadableStream || image instanceof Response;

function hashOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Promise<string> {
  return sha256(new Uint8Array(buffer, byteOffset, byteLength));
}
