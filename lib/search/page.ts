/** What was found, as a page with the pictures, which needs nothing else and can be mailed. */

import type { ImageInput, ImageOptions } from "../image/image.ts";
import { thumbnailUrl } from "../report/figures.ts";
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

const STYLE = `
:root { color-scheme: light dark }
body { color: CanvasText; background: Canvas; max-width: 90em }
p, small { color: GrayText }
.rows, .row { display: flex; flex-wrap: wrap; gap: 1em }
.row { padding: 0.8em; border: 1px solid #8886; border-radius: 8px }
figure { width: min-content; min-width: 8em }
img { max-width: 12em; margin-bottom: 0.5em; border-radius: 3px }
.first img, .first .none { outline: 3px solid #0072b2; outline-offset: 2px }
.none { width: 9em; height: 96px; background: #8883; border-radius: 3px }
a { color: inherit; text-decoration: none } a:hover { text-decoration: underline }`;

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
  const sets: string[] = [];
  for (const row of rows) {
    const figures: string[] = [];
    for (const picture of row) {
      const source = left-- > 0 ? await thumbnailUrl(() => picture.image, options) : undefined;
      figures.push(figureOf(picture, source));
    }
    sets.push(`<div class="row">${figures.join("")}</div>`);
  }
  parts.push(`<div class="rows">${sets.join("\n")}</div>`);
  return htmlPage(title, parts, STYLE);
}

function figureOf({ name, href, caption, isFirst }: ShownPicture, source?: string): string {
  const shown = source === undefined ? '<div class="none"></div>' : `<img alt="" src="${source}">`;
  // A name may be broken where it has parts.
  const text = shown + htmlText(name).replaceAll(/[_./-]/g, "$&<wbr>");
  const linked = href === undefined ? text : `<a href="${htmlText(href)}">${text}</a>`;
  return `<figure${isFirst ? ' class="first"' : ""}>${linked}<br><small>${
    htmlText(caption)
  }</small></figure>`;
}
