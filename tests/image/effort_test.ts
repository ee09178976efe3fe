/** Small files that would take long: what they ask for is counted, or refused. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ImageDecodeError } from "../../lib/errors.ts";
import { decodeImage } from "../../lib/image/decode.ts";
import { concatenate, deflate, headerOf, pngOf, read, text } from "../support/image_files.ts";

async function refusal(bytes: Uint8Array): Promise<string> {
  return (await assertRejects(() => decodeImage(bytes), ImageDecodeError)).message;
}

/** `count` times the same bytes. */
function repeated(bytes: Uint8Array, count: number): Uint8Array {
  return concatenate(Array.from({ length: count }, () => bytes));
}

Deno.test("of a thousand EXIF blocks one is read", async () => {
  const jpeg = read("420.jpg"), none = new Uint8Array(0);
  const chunks = Array.from({ length: 1000 }, (): [string, Uint8Array] => ["eXIf", none]);
  const row = await deflate(new Uint8Array(4));
  const files = {
    webp: concatenate([read("lossless.webp"), repeated(text("EXIF\0\0\0\0"), 1000)]),
    png: pngOf(["IHDR", headerOf(1, 1)], ...chunks, ["IDAT", row]),
    jpeg: concatenate([
      jpeg.subarray(0, 2),
      repeated(Uint8Array.of(0xff, 0xe1, 0, 6, ...text("Exif")), 1000),
      jpeg.subarray(2),
    ]),
  };
  const Original = DataView;
  for (const [format, file] of Object.entries(files)) {
    await decodeImage(file); // Its codec is loaded.
    let views = 0;
    globalThis.DataView = new Proxy(Original, {
      construct(view, given) {
        views++;
        return Reflect.construct(view, given);
      },
    });
    try {
      await decodeImage(file);
    } finally {
      globalThis.DataView = Original;
    }
    assert(views > 0 && views < 100, `${format}: ${views} views of bytes`);
  }
});

Deno.test("a PNG whose data lies in chunks of a byte is inflated in larger pieces", async () => {
  const rows = crypto.getRandomValues(new Uint8Array(60 * 181));
  for (let y = 0; y < 60; y++) rows[y * 181] = 0; // no filter
  const data = await deflate(rows);
  const whole = pngOf(["IHDR", headerOf(60, 60)], ["IDAT", data]);
  const bytes = [...data].map((byte): [string, Uint8Array] => ["IDAT", Uint8Array.of(byte)]);
  const Original = DecompressionStream;
  let writes = 0;
  globalThis.DecompressionStream = class extends Original {
    override readonly writable: WritableStream<BufferSource>;
    constructor(format: CompressionFormat) {
      super(format);
      const counter = new TransformStream<BufferSource, BufferSource>({
        transform(chunk, controller) {
          writes++;
          controller.enqueue(chunk);
        },
      });
      counter.readable.pipeTo(super.writable).catch(() => {});
      this.writable = counter.writable;
    }
  };
  try {
    const pixels = await decodeImage(pngOf(["IHDR", headerOf(60, 60)], ...bytes));
    assertEquals(pixels, await decodeImage(whole));
  } finally {
    globalThis.DecompressionStream = Original;
  }
  assert(writes > 0 && writes < data.length / 50, `${writes} writes of ${data.length} bytes`);
});

Deno.test("a BMP's runs paint no more than a picture of its size has", async () => {
  const file = read("rle8.bmp");
  const start = new DataView(file.buffer).getUint32(10, true);
  const runs = repeated(Uint8Array.of(255, 0), 10_000);
  const bomb = concatenate([file.subarray(0, start), runs, Uint8Array.of(0, 1)]);
  assertEquals(
    await refusal(bomb),
    "Cannot decode the BMP: its run-length data has more than its pixels",
  );
});

/** A gray TIFF of 8 bits: its directory, and `data` after it. Each tag has values, or a place and a number. */
function tiffOf(
  tags: Readonly<Record<number, readonly number[]>>,
  data: (start: number) => Uint8Array,
): Uint8Array {
  const entries = Object.entries(tags);
  const start = 8 + 2 + entries.length * 12 + 4;
  const head = new Uint8Array(start);
  const view = new DataView(head.buffer);
  head.set([0x49, 0x49, 42, 0, 8]);
  view.setUint16(8, entries.length, true);
  entries.forEach(([tag, [value, count = 1]], i) => {
    view.setUint16(10 + i * 12, Number(tag), true);
    view.setUint16(12 + i * 12, 4, true); // LONG
    view.setUint32(14 + i * 12, count, true);
    view.setUint32(18 + i * 12, value, true);
  });
  return concatenate([head, data(start)]);
}

const WIDTH = 256, HEIGHT = 257, BITS = 258, COMPRESSION = 259, OFFSETS = 273, COUNTS = 279;
const ROWS = 278, TILE_WIDTH = 322, TILE_HEIGHT = 323, TILE_OFFSETS = 324, TILE_COUNTS = 325;
const LZW = 5;

Deno.test("a TIFF's tags are read no further than they mean something", async () => {
  const count = 100_000;
  const file = tiffOf({ [WIDTH]: [9], [HEIGHT]: [9], [BITS]: [46, count] }, (start) => {
    assertEquals(start, 50);
    return new Uint8Array(new Uint32Array(count).map((_, i) => i).buffer);
  });
  const message = await refusal(file);
  assert(message.length < 200, `the error has ${message.length} characters`);
});

Deno.test("a TIFF of tiles of one pixel is refused, one of rows is not", async () => {
  const values = (count: number, at: number) =>
    new Uint8Array(new Uint32Array(count).fill(at).buffer);
  const tags = { [WIDTH]: [300], [BITS]: [8], [COMPRESSION]: [1], 262: [1] };
  const tile = { [TILE_WIDTH]: [1], [TILE_HEIGHT]: [1] };
  const tiles = { ...tags, [HEIGHT]: [300], ...tile, [TILE_OFFSETS]: [0, 90_000] };
  assertEquals(
    await refusal(tiffOf({ ...tiles, [TILE_COUNTS]: [1, 1] }, () => values(90_000, 0))),
    "Cannot decode the TIFF: it has 90000 strips or tiles: expected at most 16735",
  );
  const height = 2000, directory = 8 + 2 + 8 * 12 + 4;
  const rows = {
    ...tags,
    [HEIGHT]: [height],
    [OFFSETS]: [directory, height],
    [ROWS]: [1],
    [COUNTS]: [directory + 4 * height, height],
  };
  const file = tiffOf(rows, (start) => {
    assertEquals(start, directory);
    return concatenate([values(height, 0), values(height, 300)]);
  });
  assertEquals((await decodeImage(file)).height, height);
});

Deno.test("of a TIFF's strip no more is read than it can need", async () => {
  const [width, height] = [10, 10];
  const data = (clears: number) => {
    // Codes of 9 bits: some that clear the table, the pixels' values, and an end.
    const codes = [...Array(clears).fill(256), ...Array(width * height).fill(7), 257];
    const bits = codes.map((code) => code.toString(2).padStart(9, "0")).join("");
    return Uint8Array.from(bits.match(/.{1,8}/g)!, (byte) => parseInt(byte.padEnd(8, "0"), 2));
  };
  const file = (clears: number) => {
    const strip = data(clears);
    const tags = {
      [WIDTH]: [width],
      [HEIGHT]: [height],
      [BITS]: [8],
      [COMPRESSION]: [LZW],
      262: [1],
    };
    const end = 8 + 2 + 7 * 12 + 4;
    return tiffOf({ ...tags, [OFFSETS]: [end], [COUNTS]: [strip.length] }, () => strip);
  };
  assertEquals((await decodeImage(file(1))).data[0], 7);
  assertEquals(
    await refusal(file(2000)),
    "Cannot decode the TIFF: a strip or tile holds less than it should",
  );
});

Deno.test("scans of a JPEG are counted, and what follows its end is not", async () => {
  const whole = read("420.jpg");
  const scans = repeated(Uint8Array.of(0xff, 0xda, 0, 2), 101);
  // A film, as phones put one behind the picture, has these bytes by chance.
  assertEquals(await decodeImage(concatenate([whole, scans])), await decodeImage(whole));
  const hidden = Uint8Array.of(0xff, 0xfe, 0, 4, 0xff, 0xd9); // an end within a comment
  const many = concatenate([whole.subarray(0, -2), hidden, scans, whole.subarray(-2)]);
  assertEquals(await refusal(many), "Cannot decode the JPEG: it has more than 100 scans");
});
