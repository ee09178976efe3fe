/** Resizing against Pillow, byte for byte (tests/fixtures/images/make_resize.py). */

import { assertEquals, assertThrows } from "@std/assert";
import { cropImage, resample } from "../../lib/image/resize.ts";

const FOLDER = new URL("../fixtures/images/", import.meta.url);

type Case = [number, number, number, number, "bilinear" | "bicubic", 1 | 3, number];

const cases: Case[] = JSON.parse(await Deno.readTextFile(new URL("resize.json", FOLDER)));
const results = await gunzip(new URL("resize.gz", FOLDER));

async function gunzip(url: URL): Promise<Uint8Array> {
  using file = await Deno.open(url);
  const stream = file.readable.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The formula of make_resize.py. */
function noise(width: number, height: number, channels: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: width * height * channels }, (_, i) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const row = Math.floor(i / (width * channels));
    return row % 3 ? state & 255 : 255 * (state & 1);
  });
}

for (const [sourceWidth, sourceHeight, width, height, filter, channels, offset] of cases) {
  const name = `${sourceWidth}x${sourceHeight}x${channels} to ${width}x${height}, ${filter}`;
  Deno.test(`resample() of ${name}, equals Pillow's`, () => {
    const data = noise(sourceWidth, sourceHeight, channels);
    const source = { data, width: sourceWidth, height: sourceHeight, channels };
    const result = resample(source, width, height, filter);
    const expected = results.subarray(offset, offset + width * height * channels);
    assertEquals(result, expected);
  });
}

Deno.test("resample() with a box gives that part of the whole result", () => {
  const image = { data: noise(50, 40, 3), width: 50, height: 40 };
  const sizes = [[21, 17], [90, 80], [50, 17], [21, 40], [50, 40]];
  const box = { left: 5, top: 6, width: 11, height: 9 };
  for (const [width, height] of sizes) {
    const part = resample(image, width, height, "bicubic", box);
    const whole = { data: resample(image, width, height, "bicubic"), width, height };
    assertEquals(part, cropImage(whole, box).data, `${width}x${height}`);
  }
});

Deno.test("cropImage() cuts rows and columns out", () => {
  const image = { data: Uint8Array.from({ length: 4 * 3 * 3 }, (_, i) => i), width: 4, height: 3 };
  const { data } = cropImage(image, { left: 1, top: 1, width: 2, height: 2 });
  assertEquals([...data], [15, 16, 17, 18, 19, 20, 27, 28, 29, 30, 31, 32]);
});

Deno.test("resizing and cropping refuse sizes that cannot be", () => {
  const image = { data: noise(4, 4, 3), width: 4, height: 4 };
  assertThrows(() => resample(image, 0, 4, "bilinear"), RangeError, "found 0");
  assertThrows(() => resample(image, 4, 1.5, "bilinear"), RangeError, "found 1.5");
  const box = { left: 2, top: 0, width: 3, height: 1 };
  assertThrows(() => cropImage(image, box), RangeError, "found 3x1 at (2, 0)");
});
