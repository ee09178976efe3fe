/** What was found, as a page with the pictures, which needs nothing else and can be mailed. */

import { encodePng } from "../image/codecs/encode_png.ts";
import { type ImageInput, type ImageOptions, releasePixels } from "../image/image.ts";
import { readImage } from "../image/read.ts";
import { resizeImage } from "../image/resize.ts";
import { htmlPage, htmlText } from "../report/html.ts";

/** A picture on a page. */
export interface ShownPicture {
  /** What it is called. */
  readonly name: string;
  /** Where it is read from for its thumbnail. */
  readonly image: ImageInput;
  /** Where a click leads, as a URL. */
  readonly href?: string | undefined;
  /** What is said of it. */
  readonly caption: string;
  /** Whether it stands out: the one that was asked for, or the one to keep. */
  readonly isFirst: boolean;
}

/** Thumbnails of a page: more would be too much to mail. What is beyond them is named. */
const MAX_THUMBNAILS = 400;
/** Height of a thumbnail in pixels, and the most columns of its width. */
const HEIGHT = 96, MAX_WIDTH = 192;

const STYLE = `
:root { color-scheme: light dark }
body { color: CanvasText; background: Canvas; max-width: 90em }
p { color: GrayText }
.row { gap: 1em; padding: 1em 0; border-top: 1px solid #8884; align-items: flex-end }
figure { width: auto; max-width: 12em; overflow-wrap: anywhere }
.first { padding: 0.4em; border: 2px solid #0072b2; border-radius: 6px }
img { display: block; max-width: 100%; image-rendering: auto; border-radius: 3px }
.none { width: 9em; height: ${HEIGHT}px; background: #8883; border-radius: 3px }
a { color: inherit }
small { color: GrayText }`;

/** A page of pictures that belong together, a row for each set. */
export async function picturesPage(
  title: string,
  about: string,
  rows: readonly (readonly ShownPicture[])[],
  options: ImageOptions,
): Promise<string> {
  const parts = [`<p>${htmlText(about)}</p>`];
  const count = rows.reduce((sum, row) => sum + row.length, 0);
  if (count > MAX_THUMBNAILS) {
    parts.push(
      `<p>The first ${MAX_THUMBNAILS} of ${count} pictures are shown, the others named.</p>`,
    );
  }
  let left = MAX_THUMBNAILS;
  for (const row of rows) {
    const figures: string[] = [];
    for (const picture of row) {
      const source = left-- > 0 ? await thumbnail(picture.image, options) : undefined;
      figures.push(figureOf(picture, source));
    }
    parts.push(`<div class="row">${figures.join("")}</div>`);
  }
  return htmlPage(title, parts, STYLE);
}

function figureOf({ name, href, caption, isFirst }: ShownPicture, source?: string): string {
  const shown = source === undefined
    ? '<div class="none"></div>'
    : `<img alt="" height="${HEIGHT}" src="${source}">`;
  const text = `${shown}${htmlText(name)}`;
  const linked = href === undefined ? text : `<a href="${htmlText(href)}">${text}</a>`;
  return `<figure${isFirst ? ' class="first"' : ""}>${linked}<br><small>${
    htmlText(caption)
  }</small></figure>`;
}

/** A small picture as a URL, or nothing: what was read before may be gone. */
async function thumbnail(image: ImageInput, options: ImageOptions): Promise<string | undefined> {
  try {
    const pixels = await readImage(image, { ...options, shorterSide: HEIGHT, reduceFromPixels: 0 });
    const width = Math.round(pixels.width * HEIGHT / pixels.height);
    const small = resizeImage(pixels, {
      ...{ height: HEIGHT, width: Math.max(1, Math.min(MAX_WIDTH, width)) },
      filter: "bilinear",
    });
    const png = await encodePng(small);
    releasePixels(pixels);
    return `data:image/png;base64,${png.toBase64()}`;
  } catch {
    options.signal?.throwIfAborted();
    return undefined;
  }
}
