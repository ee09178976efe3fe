/** Resizing against Pillow, byte for byte (tests/fixtures/images/make_resize.py). */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  cropImage,
  fitImage,
  resample,
  resizeImage,
  type ResizeOptions,
} from "../../lib/image/resize.ts";

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

Deno.test("resizeImage() keeps the proportions of a side that is not given", () => {
  const image = { data: noise(40, 30, 3), width: 40, height: 30 };
  const sizeOf = (options: ResizeOptions): number[] => {
    const { width, height } = resizeImage(image, options);
    return [width, height];
  };
  assertEquals(sizeOf({ width: 20 }), [20, 15]);
  assertEquals(sizeOf({ height: 60 }), [80, 60]);
  assertEquals(sizeOf({ width: 1000, height: 1 }), [1000, 1]);
  assertEquals(sizeOf({ width: 1 }), [1, 1]);
  for (const side of ["width", "height"]) {
    for (const wrong of [0, -1, 1.5, 32_769]) {
      assertThrows(
        () => resizeImage(image, { [side]: wrong }),
        RangeError,
        `${side} must be an integer from 1 to 32768: found ${wrong}`,
      );
    }
  }
  const { data } = resizeImage(image, { width: 20, height: 10, filter: "bilinear" });
  assertEquals(data, resample(image, 20, 10, "bilinear"));
});

Deno.test("resizeImage() says what it cannot do", () => {
  const image = { data: noise(4, 3, 3), width: 4, height: 3 };
  assertThrows(() => resizeImage(image, {}), RangeError, "a width, a height or both");
  for (const width of [0, -1, 1.5, NaN, 40_000]) {
    assertThrows(() => resizeImage(image, { width }), RangeError, "width must be an integer");
  }
  const rgba = { data: new Uint8Array(48), width: 4, height: 3 };
  assertThrows(() => resizeImage(rgba, { width: 2 }), RangeError, "1 or 3 bytes, found 4");
  for (const none of ["cat.png", Promise.resolve(image), undefined, { ...image, data: [1] }]) {
    assertThrows(
      () => resizeImage(none as never, { width: 2 }),
      TypeError,
      "as `await readImage()`",
    );
  }
  const typo = { with: 2, width: 2 };
  assertThrows(() => resizeImage(image, typo), RangeError, "did you mean width?");
});

Deno.test("fitImage() brings the longer side within bounds, and leaves what is within them", () => {
  const image = { data: noise(40, 30, 3), width: 40, height: 30 };
  const tall = { data: noise(30, 40, 3), width: 30, height: 40 };
  assertEquals(fitImage(image, 80), {
    data: resample(image, 80, 60, "bicubic"),
    width: 80,
    height: 60,
  });
  assertEquals(fitImage(tall, 10, 20), {
    data: resample(tall, 15, 20, "bicubic"),
    width: 15,
    height: 20,
  });
  for (const [min, max] of [[40, 40], [10, 40], [40, 80]] as const) {
    assertStrictEquals(fitImage(image, min, max), image);
  }
  // A side of less than half a pixel is one.
  assertEquals(fitImage({ data: noise(40, 1, 3), width: 40, height: 1 }, 10).height, 1);
});
