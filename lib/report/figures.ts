/** Pictures in a page: small, and within it. */

import { toBase64 } from "../encoding.ts";
import { encodePng } from "../image/codecs/encode_png.ts";
import { type ImageInput, type ImageOptions, releasePixels } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import { resizeImage } from "../image/resize.ts";
import { publicText } from "../public_url.ts";
import { htmlText } from "./html.ts";

/** The most rows and columns of a thumbnail. */
const HEIGHT = 96, WIDTH = 192;
/** Bits of a color in a thumbnail: two thirds of the bytes that eight would take. */
const COLOR_BITS = 5;

/** A picture, and what is said of it. */
export interface Figure {
  /** Its path, or what else it is called. */
  readonly file: string;
  /** Opens it. */
  readonly open: () => Promise<ImageInput>;
  /** What is said of it, as HTML. */
  readonly caption: string;
}

/**
 * Pictures side by side. One that cannot be read is named without a picture.
 *
 * @param reading How they are read.
 */
export async function figureRow(
  figures: readonly Figure[],
  reading: ImageOptions = {},
): Promise<string> {
  const shown: string[] = [];
  for (const { file, open, caption } of figures) { // One after the other: pictures may be large.
    const name = htmlText(publicText(file)), source = await thumbnailUrl(open, reading);
    const image = source === undefined ? name : `<img alt="" title="${name}" src="${source}">`;
    shown.push(`<figure>${image}<figcaption>${caption}</figcaption></figure>`);
  }
  return `<div class="row">${shown.join("")}</div>`;
}

/** A small picture as a URL, or nothing: what was read before may be gone, or out of reach. */
export async function thumbnailUrl(
  open: () => Promise<ImageInput> | ImageInput,
  reading: ImageOptions,
): Promise<string | undefined> {
  try {
    const smaller = { shorterSide: HEIGHT, reduceFromPixels: 0 };
    const pixels = await readImage(await open(), { ...reading, ...smaller });
    const factor = Math.min(HEIGHT / pixels.height, WIDTH / pixels.width);
    const size = (side: number): number => Math.max(1, Math.round(side * factor));
    const [width, height] = [size(pixels.width), size(pixels.height)];
    const small = resizeImage(pixels, { width, height, filter: "bilinear" });
    const steps = 2 ** COLOR_BITS - 1;
    const data = small.data.map((value) =>
      Math.round(Math.round(value / 255 * steps) / steps * 255)
    );
    const png = await encodePng({ ...small, data });
    releasePixels(pixels);
    return `data:image/png;base64,${toBase64(png)}`;
  } catch {
    reading.signal?.throwIfAborted();
    return undefined;
  }
}
