/**
 * Files that break their format's rules and still have every pixel, as people have them: they decode to
 * what the sound file shows, which `corpus_test.ts` holds to Pillow. With a pixel missing they are refused.
 */

import { concat } from "@std/bytes/concat";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ImageDecodeError } from "../../../lib/errors.ts";
import { crc32 } from "../../../lib/image/codecs/codec.ts";
import { decodeImage } from "../../../lib/image/decode.ts";

const FOLDER = new URL("../../fixtures/images/files/", import.meta.url);
const read = (name: string) => Deno.readFileSync(new URL(name, FOLDER));
const text = (value: string) => new TextEncoder().encode(value);
const zeros = (length: number) => new Uint8Array(length);

/** Zlib data of level 6 or so. */
async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Numbers that are the same in every run. */
function noise(length: number, below = 256): Uint8Array<ArrayBuffer> {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state, 1664525) + 1013904223;
    return (state >>> 16) % below;
  });
}

async function assertSame(bytes: Uint8Array, sound: Uint8Array, what: string): Promise<void> {
  const { data, width, height } = await decodeImage(bytes).catch((error) => {
    throw new Error(what, { cause: error });
  });
  const expected = await decodeImage(sound);
  assertEquals([width, height], [expected.width, expected.height], what);
  assertEquals(data, expected.data, what);
}

async function assertRefused(bytes: Uint8Array, message: string, what = message): Promise<void> {
  const error = await assertRejects(() => decodeImage(bytes), ImageDecodeError, undefined, what);
  assertStringIncludes(error.message, message, what);
}

// JPEG

const JPEGS = [
  "420.jpg",
  "gray.jpg",
  "420-progressive.jpg",
  "separate-scans.jpg",
  "restart-blocks.jpg",
];

/** Where a JPEG's segments begin, up to its first scan. */
function segmentsOf(jpeg: Uint8Array): number[] {
  const starts = [2];
  for (let at = 2; jpeg[at + 1] !== 0xda; starts.push(at)) {
    at += 2 + (jpeg[at + 2] << 8 | jpeg[at + 3]);
  }
  return starts;
}

Deno.test("junk between a JPEG's segments is passed over", async () => {
  const junk = ["1", "hello", "\0\0\0"].map(text);
  junk.push(Uint8Array.of(0xff, 0xff, 0xff), Uint8Array.of(0xff, 0, 0xff, 0, 7));
  for (const name of JPEGS) {
    const sound = read(name);
    for (const at of segmentsOf(sound).slice(1)) {
      for (const between of junk) {
        const bytes = concat([sound.subarray(0, at), between, sound.subarray(at)]);
        await assertSame(bytes, sound, `${name}, ${between} at ${at}`);
      }
    }
  }
});

Deno.test("of a JPEG its end marker alone may be missing: a byte of data less is refused", async () => {
  for (const name of JPEGS) {
    const sound = read(name);
    for (const cut of [1, 2]) {
      await assertSame(sound.subarray(0, -cut), sound, `${name} less ${cut}`);
    }
    for (let end = segmentsOf(sound).at(-1)!; end < sound.length - 2; end++) {
      await assertRefused(
        sound.subarray(0, end),
        "Cannot decode the JPEG",
        `${name} cut at ${end}`,
      );
    }
  }
});

Deno.test("anything may lie where a JPEG should end", async () => {
  for (const name of JPEGS) {
    const sound = read(name);
    for (const tail of [zeros(500), text("SEFH 1234567890 SEFT".repeat(9))]) {
      await assertSame(concat([sound.subarray(0, -2), tail]), sound, `${name}, ${tail.length}`);
    }
  }
});

Deno.test("a JPEG without its last scan and without an end is refused, whatever follows", async () => {
  for (const name of ["420-progressive.jpg", "separate-scans.jpg"]) {
    const sound = read(name);
    const last = new TextDecoder("latin1").decode(sound).lastIndexOf("\xff\xda");
    await assertRefused(concat([sound.subarray(0, last), zeros(500)]), "truncated at byte", name);
  }
});

// PNG

/** A chunk; its checksum may be wrong. */
function chunk(type: string, data: Uint8Array, wrong = 0): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(text(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)) ^ wrong);
  return bytes;
}

function png(...chunks: Uint8Array[]): Uint8Array {
  return concat([Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10), ...chunks]);
}

/** What a PNG of RGB noise is made of. */
async function partsOfPng(width: number, height: number) {
  const header = Uint8Array.of(0, 0, width >> 8, width & 255, 0, 0, 0, height, 8, 2, 0, 0, 0);
  const rows = noise((width * 3 + 1) * height, 20).map((v, i) => i % (width * 3 + 1) ? v : 0);
  const data = await deflate(rows);
  const first = chunk("IHDR", header), end = chunk("IEND", zeros(0));
  return { first, rows, data, end, sound: png(first, chunk("IDAT", data), end) };
}

// Of the larger one the platform inflates a part before it meets what is wrong.
for (const [width, height] of [[20, 10], [400, 200]]) {
  Deno.test(`a PNG of ${width}x${height} decodes with all its rows, whatever lies around them`, async () => {
    const { first, rows, data, end, sound } = await partsOfPng(width, height);
    const idat = chunk("IDAT", data), note = chunk("tEXt", text("a\0b"));
    const more = await deflate(concat([rows, zeros(1000)]) as Uint8Array<ArrayBuffer>);
    const checksum = data.subarray(-4).map((byte) => ~byte);
    const cases: Record<string, Uint8Array> = {
      "no IEND": png(first, idat),
      "half an IEND": png(first, idat, end.subarray(0, 8)),
      "an IEND with a wrong checksum": png(first, idat, chunk("IEND", zeros(0), 1)),
      "zeros instead of IEND": png(first, idat, zeros(40)),
      "a text that is cut": png(first, idat, note.subarray(0, -3)),
      "a text with a wrong checksum": png(first, chunk("tEXt", text("a\0b"), 1), idat, end),
      "another chunk first": png(chunk("vpAg", zeros(9)), first, idat, end),
      "data after the stream": png(first, chunk("IDAT", concat([data, zeros(60)])), end),
      "more data after the stream": png(first, idat, chunk("IDAT", noise(20_000)), end),
      "an empty IDAT": png(first, chunk("IDAT", zeros(0)), idat, end),
      "no checksum of the stream": png(first, chunk("IDAT", data.subarray(0, -4)), end),
      "a wrong one": png(first, chunk("IDAT", concat([data.subarray(0, -4), checksum])), end),
      "more rows": png(first, chunk("IDAT", more), end),
      "an end in the stream's checksum": png(first, idat.subarray(0, -6)),
    };
    for (const [what, bytes] of Object.entries(cases)) await assertSame(bytes, sound, what);
  });

  Deno.test(`a PNG of ${width}x${height} is refused when a row is missing or damaged`, async () => {
    const { first, rows, data, end } = await partsOfPng(width, height);
    const fewer = await deflate(rows.slice(0, -1));
    await assertRefused(png(first, chunk("IDAT", data).subarray(0, -20)), "truncated at byte");
    await assertRefused(png(first, chunk("IDAT", data.subarray(0, -20))), "truncated at byte");
    await assertRefused(
      png(first, chunk("IDAT", data, 1), end),
      'chunk "IDAT" at byte 33 is corrupt',
    );
    await assertRefused(png(first, chunk("IDAT", fewer), end), `bytes instead of ${rows.length}`);
    await assertRefused(png(first), "truncated at byte");
    await assertRefused(png(chunk("PLTE", zeros(3)), first), "its first chunk is not IHDR");
  });
}

Deno.test("a PNG's transparency with a wrong checksum is none, as for libpng", async () => {
  const { first, data, end, sound } = await partsOfPng(20, 10);
  const key = zeros(6); // black
  const idat = chunk("IDAT", data);
  await assertSame(png(first, chunk("tRNS", key, 1), idat, end), sound, "wrong");
  const transparent = await decodeImage(png(first, chunk("tRNS", key), idat, end));
  assertEquals(transparent.data.includes(255), false, "no pixel is black in all channels");
});

// GIF

/** Where a GIF's blocks begin. */
function blocksOf(gif: Uint8Array): number {
  return 13 + (gif[10] & 0x80 ? 3 << ((gif[10] & 7) + 1) : 0);
}

Deno.test("empty blocks, empty frames and junk before a GIF's first frame are passed over", async () => {
  const between = {
    "an empty comment": Uint8Array.of(0x21, 0xfe, 0),
    "an empty application's block": Uint8Array.of(0x21, 0xff, 0),
    "an empty control": Uint8Array.of(0x21, 0xf9, 0),
    "an unknown block": Uint8Array.of(0x21, 0x99, 1, 7, 0),
    "a frame without a size": Uint8Array.of(0x2c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0x2c, 0),
    "a frame without anything": Uint8Array.of(0x2c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0),
    "junk": text("abc\0\0"),
  };
  for (const name of ["plain.gif", "transparent.gif", "interlaced.gif", "offset.gif"]) {
    const sound = read(name), at = blocksOf(sound);
    for (const [what, block] of Object.entries(between)) {
      const bytes = concat([sound.subarray(0, at), block, sound.subarray(at)]);
      await assertSame(bytes, sound, `${name}, ${what}`);
    }
  }
});

Deno.test("a GIF may end where its first frame's pixels do", async () => {
  for (const name of ["plain.gif", "interlaced.gif"]) {
    const sound = read(name);
    for (const cut of [1, 2]) {
      await assertSame(sound.subarray(0, -cut), sound, `${name} less ${cut}`);
    }
    await assertRefused(sound.subarray(0, -20), "its first frame is damaged or truncated");
  }
});

/** A GIF of 3 by 1 pixels: gray 0, 1 and 2 of four, by codes of three bits. */
function tinyGif(codes: Uint8Array, left = 0, palette = 12): Uint8Array {
  return concat([
    text("GIF89a"),
    Uint8Array.of(3, 0, 1, 0, palette > 0 ? 0x81 : 0, 0, 0),
    Uint8Array.from({ length: palette }, (_, i) => i / 3),
    Uint8Array.of(0x2c, left & 255, left >> 8, 0, 0, 3, 0, 1, 0, 0, 2, codes.length),
    codes,
    Uint8Array.of(0, 0x3b),
  ]);
}

/** The low bits first. */
function packed(...codes: number[]): Uint8Array {
  let value = 0;
  codes.forEach((code, i) => value |= code << (3 * i));
  return Uint8Array.of(value, value >> 8, value >> 16);
}

const CLEAR = 4, END = 5;

Deno.test("a GIF's codes may lack their first or last, and be followed by others", async () => {
  const sound = tinyGif(packed(CLEAR, 0, 1, 2, END));
  assertEquals((await decodeImage(sound)).data, Uint8Array.of(0, 0, 0, 1, 1, 1, 2, 2, 2));
  const cases: Record<string, Uint8Array> = {
    "no clear code": packed(0, 1, 2, END),
    "no end code": packed(CLEAR, 0, 1, 2),
    "many clear codes": packed(CLEAR, CLEAR, 0, CLEAR, 1, 2),
    "bytes after the end": concat([packed(CLEAR, 0, 1, 2, END), text("junk")]),
  };
  for (const [what, codes] of Object.entries(cases)) await assertSame(tinyGif(codes), sound, what);
  await assertRefused(tinyGif(packed(CLEAR, 0, 1, END)), "its first frame is damaged or truncated");
});

Deno.test("long codes are mended too: a GIF that does not clear its table at first", async () => {
  const sound = read("long-codes.gif"), image = sound.indexOf(0x2c, blocksOf(sound));
  const shift = sound[image + 10] + 1;
  const codes: number[] = [];
  for (let at = image + 11; sound[at] > 0; at += 1 + sound[at]) {
    codes.push(...sound.subarray(at + 1, at + 1 + sound[at]));
  }
  const later = codes.map((byte, i) =>
    (byte | codes[i + 1] << 8 | codes[i + 2] << 16) >> shift & 255
  );
  const blocks = later.flatMap((byte, i) =>
    i % 255 === 0 ? [Math.min(255, later.length - i), byte] : [byte]
  );
  const bytes = concat([sound.subarray(0, image + 11), Uint8Array.from([...blocks, 0, 0x3b])]);
  await assertSame(bytes, sound, "no clear code");
});

Deno.test("a GIF without any palette is gray, and a color that a palette lacks is black", async () => {
  const codes = packed(CLEAR, 0, 1, 2, END);
  assertEquals(
    (await decodeImage(tinyGif(codes, 0, 0))).data,
    Uint8Array.of(0, 0, 0, 1, 1, 1, 2, 2, 2),
  );
  const two = tinyGif(codes, 0, 6);
  two[10] = 0x80;
  assertEquals((await decodeImage(two)).data, Uint8Array.of(0, 0, 0, 1, 1, 1, 0, 0, 0));
});

Deno.test("a GIF's screen grows to a first frame that lies outside of it", async () => {
  const { data, width, height } = await decodeImage(tinyGif(packed(CLEAR, 0, 1, 2, END), 300));
  assertEquals([width, height], [303, 1]);
  assertEquals(data.subarray(0, 900), zeros(900).fill(255));
  assertEquals(data.subarray(900), Uint8Array.of(0, 0, 0, 1, 1, 1, 2, 2, 2));
});

Deno.test("a GIF of empty frames alone is refused", async () => {
  const gif = tinyGif(packed(CLEAR, 0, 1, 2, END));
  gif[gif.indexOf(0x2c) + 5] = 0;
  await assertRefused(gif, "it has no frame");
});

// BMP

Deno.test("a BMP's pixels follow its palette where it does not say where they are", async () => {
  for (const name of ["8bit.bmp", "4bit.bmp", "1bit.bmp", "24bit.bmp"]) {
    const sound = read(name), header = 14 + sound[14];
    const soundView = new DataView(sound.buffer);
    const bits = soundView.getUint16(28, true);
    const colors = bits > 8 ? 0 : soundView.getUint32(46, true) || 1 << bits;
    assertEquals(soundView.getUint32(10, true), header + colors * 4, name);
    for (const place of [0, ...colors > 0 ? [header] : []]) {
      const bytes = sound.slice();
      new DataView(bytes.buffer).setUint32(10, place, true);
      await assertSame(bytes, sound, `${name} at ${place}`);
    }
  }
});

// TIFF

/** A TIFF of one strip; every tag is a LONG. */
function tiff(strip: Uint8Array, tags: Record<number, number[]>): Uint8Array {
  const all = Object.entries({ 273: [8], 279: [strip.length], ...tags })
    .map(([tag, values]) => [Number(tag), values] as const)
    .filter(([, values]) => values.length > 0)
    .sort(([a], [b]) => a - b);
  const directory = 8 + strip.length, end = directory + 2 + all.length * 12 + 4;
  const bytes = new Uint8Array(end + all.reduce((sum, [, values]) => sum + values.length * 4, 0));
  const view = new DataView(bytes.buffer);
  bytes.set([0x49, 0x49, 42]);
  view.setUint32(4, directory, true);
  bytes.set(strip, 8);
  view.setUint16(directory, all.length, true);
  let more = end;
  all.forEach(([tag, values], i) => {
    const at = directory + 2 + i * 12;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, 4, true);
    view.setUint32(at + 4, values.length, true);
    const to = values.length === 1 ? at + 8 : more;
    if (to === more) view.setUint32(at + 8, more, true);
    values.forEach((value, k) => view.setUint32(to + k * 4, value, true));
    if (to === more) more += values.length * 4;
  });
  return bytes;
}

const BITS = 258, COMPRESSION = 259, PHOTOMETRIC = 262, FILL_ORDER = 266, OFFSETS = 273;
const SAMPLES = 277, COUNTS = 279, TILE_WIDTH = 322, TILE_HEIGHT = 323, TILE_OFFSETS = 324;
const TILE_COUNTS = 325, EXTRA = 338;
const PLAIN = 1, LZW = 5, DEFLATE = 8, PACK_BITS = 32773;

/** Tags of 40x30 pixels of RGB. */
const RGB = { 256: [40], 257: [30], [BITS]: [8, 8, 8], [PHOTOMETRIC]: [2], [SAMPLES]: [3] };
const pixels = noise(40 * 30 * 3);
const soundTiff = tiff(pixels, RGB);

/**
 * LZW without any string: a code for each byte, as wide as the decoder's table asks for, which grows
 * by one with each. `early` is 1 for TIFF 6, which widens a code sooner; 0 for TIFF 5, whose low bits
 * come first.
 */
function lzw(bytes: Uint8Array, early: 0 | 1): Uint8Array {
  const bits: number[] = [];
  let next = 257;
  const put = (code: number) => {
    const width = Math.max(9, Math.min(12, 32 - Math.clz32(next + early)));
    for (let i = 0; i < width; i++) bits.push(code >> (early ? width - 1 - i : i) & 1);
  };
  put(256);
  for (const byte of bytes) {
    put(byte);
    if (++next === 4094) {
      put(256);
      next = 257;
    }
  }
  put(257);
  return Uint8Array.from({ length: Math.ceil(bits.length / 8) }, (_, i) => {
    const eight = bits.slice(i * 8, i * 8 + 8);
    return eight.reduce((sum, bit, k) => sum | bit << (early ? 7 - k : k), 0);
  });
}

const mirrored = (bytes: Uint8Array) =>
  bytes.map((byte) => parseInt(byte.toString(2).padStart(8, "0").split("").reverse().join(""), 2));

Deno.test("a TIFF's bytes may have their first bit low, however they are compressed", async () => {
  const runs = concat(
    Array.from({ length: 30 }, (_, y) => [
      Uint8Array.of(119),
      pixels.subarray(y * 120, (y + 1) * 120),
    ]).flat(),
  );
  const strips = {
    [PLAIN]: pixels,
    [LZW]: lzw(pixels, 1),
    [DEFLATE]: await deflate(pixels),
    [PACK_BITS]: runs,
  };
  for (const [compression, strip] of Object.entries(strips)) {
    const tags = { ...RGB, [COMPRESSION]: [Number(compression)] };
    await assertSame(tiff(strip, tags), soundTiff, `${compression}, high`);
    const low = tiff(mirrored(strip), { ...tags, [FILL_ORDER]: [2] });
    await assertSame(low, soundTiff, `${compression}, low`);
  }
});

Deno.test("the LZW of TIFF 5, whose low bits come first, decodes", async () => {
  const tags = { ...RGB, [COMPRESSION]: [LZW] };
  await assertSame(tiff(lzw(pixels, 0), tags), soundTiff, "old");
  const low = tiff(mirrored(lzw(pixels, 0)), { ...tags, [FILL_ORDER]: [2] });
  await assertSame(low, soundTiff, "old, low");
});

Deno.test("a TIFF may list more or fewer depths than it has samples", async () => {
  for (const bits of [[8], [8, 8], [8, 8, 8, 8], [8, 8, 8, 1]]) {
    await assertSame(tiff(pixels, { ...RGB, [BITS]: bits }), soundTiff, `${bits}`);
  }
  await assertRefused(tiff(pixels, { ...RGB, [BITS]: [8, 8, 1] }), "samples of 8, 8, 1 bits");
});

Deno.test("a fourth sample of RGB is alpha, also where a TIFF does not say so", async () => {
  const tags = { ...RGB, 256: [30], [BITS]: [8, 8, 8, 8], [SAMPLES]: [4] };
  const sound = tiff(pixels, { ...tags, [EXTRA]: [2] });
  await assertSame(tiff(pixels, tags), sound, "alpha");
  const other = await decodeImage(tiff(pixels, { ...tags, [EXTRA]: [0] }));
  assertEquals(other.data.subarray(0, 3), pixels.subarray(0, 3), "said to be something else");
});

Deno.test("a TIFF's strip may be said to be longer than the file, or of no length", async () => {
  for (const [compression, strip] of [[PLAIN, pixels], [LZW, lzw(pixels, 1)]] as const) {
    const tags = { ...RGB, [COMPRESSION]: [compression] };
    for (const count of [[35_711_440], [0], []]) {
      await assertSame(
        tiff(strip, { ...tags, [COUNTS]: count }),
        soundTiff,
        `${compression} ${count}`,
      );
    }
    const short = tiff(strip.subarray(0, 900), { ...tags, [COUNTS]: [35_711_440] });
    await assertRefused(short, "truncated at byte");
  }
});

Deno.test("tiles that are smaller than TIFF allows and share their bytes decode", async () => {
  const tile = await deflate(noise(64));
  const bytes = tiff(tile, {
    256: [1024],
    257: [1000],
    [BITS]: [8],
    [COMPRESSION]: [DEFLATE],
    [PHOTOMETRIC]: [1],
    [SAMPLES]: [1],
    [OFFSETS]: [],
    [COUNTS]: [],
    [TILE_WIDTH]: [8],
    [TILE_HEIGHT]: [8],
    [TILE_OFFSETS]: Array(128 * 125).fill(8),
    [TILE_COUNTS]: Array(128 * 125).fill(tile.length),
  });
  const expected = noise(64);
  const { data } = await decodeImage(bytes);
  const gray = data.filter((_, i) => i % 3 === 0);
  assertEquals(gray, gray.map((_, i) => expected[(i >> 10) % 8 * 8 + i % 8]));
});
