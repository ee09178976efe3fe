/** Drawing on RGB pixels: rectangles, pictures and text. */

import { fromBase64 } from "../encoding.ts";
import { decodeImage } from "../image/decode.ts";
import type { Pixels } from "../image/image.ts";
import { cropImage, resample } from "../image/resize.ts";
import { ATLAS, CELL_HEIGHT, CELL_WIDTH, COLUMNS } from "./font.ts";
import { visible } from "./visible.ts";

/** R, G, B, 0…255. */
export type Color = readonly [red: number, green: number, blue: number];

export const WHITE: Color = [255, 255, 255], BLACK: Color = [0, 0, 0];

/** Width of a line of text of a height. */
export function textWidth(text: string, height: number): number {
  return [...visible(text)].length * Math.round(height * CELL_WIDTH / CELL_HEIGHT);
}

let atlas: Promise<Pixels> | undefined;

/** A picture that is drawn on. */
export class Canvas implements Pixels {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 3]`, R, G, B. */
  readonly data: Uint8Array;

  /** Begins with one color. */
  constructor(width: number, height: number, color: Color = WHITE) {
    this.width = width;
    this.height = height;
    this.data = new Uint8Array(width * height * 3);
    this.rectangle(0, 0, width, height, color);
  }

  /** Lays a color over a rectangle; what is outside is cut off. `alpha` is 0…1. */
  rectangle(
    left: number,
    top: number,
    width: number,
    height: number,
    color: Color,
    alpha: number = 1,
  ): void {
    for (let y = Math.max(0, top); y < Math.min(this.height, top + height); y++) {
      for (let x = Math.max(0, left); x < Math.min(this.width, left + width); x++) {
        this.#blend(x, y, color, alpha);
      }
    }
  }

  /** Copies a picture; what is outside is cut off. */
  picture(image: Pixels, left: number, top: number): void {
    for (let y = Math.max(0, -top); y < image.height && top + y < this.height; y++) {
      for (let x = Math.max(0, -left); x < image.width && left + x < this.width; x++) {
        const from = (y * image.width + x) * 3;
        this.data.set(image.data.subarray(from, from + 3), ((top + y) * this.width + left + x) * 3);
      }
    }
  }

  /** Writes a line of text, `height` pixels high. What is not in Latin-1 is shown as `?`. */
  async text(text: string, left: number, top: number, height: number, color: Color): Promise<void> {
    atlas ??= decodeImage(fromBase64(ATLAS));
    const glyphs = await atlas;
    const width = textWidth(" ", height);
    for (const [n, char] of [...visible(text)].entries()) {
      const glyph = resample(glyphOf(glyphs, char), width, height, "bilinear");
      for (let i = 0; i < glyph.length; i += 3) {
        const x = left + n * width + i / 3 % width, y = top + Math.floor(i / 3 / width);
        if (glyph[i] > 0 && x >= 0 && y >= 0 && x < this.width && y < this.height) {
          this.#blend(x, y, color, glyph[i] / 255);
        }
      }
    }
  }

  #blend(x: number, y: number, color: Color, alpha: number): void {
    const at = (y * this.width + x) * 3;
    for (let c = 0; c < 3; c++) {
      this.data[at + c] = Math.round(this.data[at + c] * (1 - alpha) + color[c] * alpha);
    }
  }
}

function glyphOf(glyphs: Pixels, char: string): Pixels {
  const code = char.codePointAt(0)!;
  const isLatin = (code >= 0x20 && code <= 0x7e) || (code >= 0xa0 && code <= 0xff);
  const known = isLatin ? code : "?".charCodeAt(0);
  const index = known >= 0xa0 ? known - 0xa0 + (0x7f - 0x20) : known - 0x20;
  const cell = {
    left: index % COLUMNS * CELL_WIDTH,
    top: Math.floor(index / COLUMNS) * CELL_HEIGHT,
    width: CELL_WIDTH,
    height: CELL_HEIGHT,
  };
  return cropImage(glyphs, cell);
}
