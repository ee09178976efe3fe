/**
 * PNG (ISO/IEC 15948): every color type and bit depth, interlaced or not. Sixteen bits keep their
 * high byte. Color chunks (`gAMA`, `cHRM`, `iCCP`) are ignored, as Pillow does.
 */

import {
  type Codec,
  crc32,
  damaged,
  fourCharacters,
  type Header,
  inflate,
  packedSample,
  type Range,
  truncated,
  viewOf,
} from "./codec.ts";
import { exifOrientation } from "./exif.ts";
import type { Pixels } from "../image.ts";

export const png: Codec<PngHeader> = { readHeader, decode };

interface PngHeader extends Header {
  readonly depth: number;
  readonly colorType: number;
  readonly interlaced: boolean;
  readonly palette: Range | undefined;
  readonly transparency: Range | undefined;
  /** The data of the `IDAT` chunks. */
  readonly compressed: readonly Range[];
}

/** What the `IHDR` chunk says. */
type Samples = Pick<PngHeader, "width" | "height" | "depth" | "colorType" | "interlaced">;

const GRAY = 0, RGB = 2, PALETTE = 3, GRAY_ALPHA = 4, RGB_ALPHA = 6;

/** Samples per pixel in the file and the bit depths allowed, by color type. */
const COLOR_TYPES: Readonly<Record<number, { samples: number; depths: readonly number[] }>> = {
  [GRAY]: { samples: 1, depths: [1, 2, 4, 8, 16] },
  [RGB]: { samples: 3, depths: [8, 16] },
  [PALETTE]: { samples: 1, depths: [1, 2, 4, 8] },
  [GRAY_ALPHA]: { samples: 2, depths: [8, 16] },
  [RGB_ALPHA]: { samples: 4, depths: [8, 16] },
};

/** Adam7: first column, first row, column stride, row stride of each pass. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** A sub-image: the whole image, or one pass of an interlaced one. */
interface Pass {
  readonly x: number;
  readonly y: number;
  readonly dx: number;
  readonly dy: number;
  readonly width: number;
  readonly height: number;
  readonly rowBytes: number;
}

/** Walks the chunks and checks them. */
function readHeader(bytes: Uint8Array): PngHeader {
  const view = viewOf(bytes);
  let header: Samples | undefined;
  let exif: Uint8Array | undefined;
  let palette: Range | undefined;
  let transparency: Range | undefined;
  const compressed: Range[] = [];
  for (let at = 8;;) {
    const [type, start, end] = readChunk(bytes, view, at);
    const data = bytes.subarray(start, end);
    if (type === "IHDR") header ??= parseHeader(data);
    else if (!header) throw damaged("png", "its first chunk is not IHDR");
    else if (type === "PLTE") palette = [start, end];
    else if (type === "tRNS") transparency = [start, end];
    else if (type === "eXIf") exif ??= data;
    else if (type === "IDAT") compressed.push([start, end]);
    else if (type === "IEND") {
      const orientation = exifOrientation(exif);
      return { ...header, orientation, palette, transparency, compressed };
    }
    at = end + 4;
  }
}

/** The type of a chunk, and where its data begins and ends. */
function readChunk(bytes: Uint8Array, view: DataView, at: number): [string, number, number] {
  if (at + 12 > bytes.length) throw truncated("png", bytes);
  const end = at + 8 + view.getUint32(at);
  if (end + 4 > bytes.length) throw truncated("png", bytes);
  const type = fourCharacters(bytes, at + 4);
  if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) {
    const name = JSON.stringify(type);
    throw damaged("png", `chunk ${name} at byte ${at} is corrupt, as its checksum tells`);
  }
  return [type, at + 8, end];
}

function parseHeader(data: Uint8Array): Samples {
  if (data.length !== 13) throw damaged("png", `its IHDR has ${data.length} bytes instead of 13`);
  const view = viewOf(data);
  const [depth, colorType, compression, filter, interlace] = data.subarray(8);
  if (!COLOR_TYPES[colorType]?.depths.includes(depth)) {
    throw damaged("png", `color type ${colorType} with ${depth} bits does not exist`);
  }
  if (compression !== 0 || filter !== 0 || interlace > 1) {
    throw damaged(
      "png",
      `compression ${compression}, filter ${filter}, interlace ${interlace} do not exist`,
    );
  }
  return {
    width: view.getUint32(0),
    height: view.getUint32(4),
    depth,
    colorType,
    interlaced: interlace === 1,
  };
}

function passesOf({ width, height, interlaced }: Samples, bitsPerPixel: number): Pass[] {
  const grid = interlaced ? ADAM7 : [[0, 0, 1, 1]] as const;
  return grid.map(([x, y, dx, dy]) => {
    const columns = Math.max(0, Math.ceil((width - x) / dx));
    const rows = Math.max(0, Math.ceil((height - y) / dy));
    const rowBytes = Math.ceil(columns * bitsPerPixel / 8);
    return { x, y, dx, dy, width: columns, height: columns === 0 ? 0 : rows, rowBytes };
  });
}

async function decode(bytes: Uint8Array, header: PngHeader): Promise<Pixels> {
  const { width, height } = header;
  const bitsPerPixel = COLOR_TYPES[header.colorType].samples * header.depth;
  const passes = passesOf(header, bitsPerPixel);
  const length = passes.reduce((sum, pass) => sum + (pass.rowBytes + 1) * pass.height, 0);
  const parts = header.compressed.map(([start, end]) => bytes.subarray(start, end));
  const filtered = await inflate(parts, length);
  const expand = expander(bytes, header);
  const data = new Uint8Array(width * height * expand.channels);
  let at = 0;
  for (const pass of passes) {
    unfilter(filtered, at, pass, Math.max(1, bitsPerPixel >> 3));
    for (let row = 0; row < pass.height; row++, at += pass.rowBytes + 1) {
      const start = ((pass.y + row * pass.dy) * width + pass.x) * expand.channels;
      expand.row(filtered, at + 1, pass.width, data, start, pass.dx * expand.channels);
    }
  }
  return { data, width, height };
}

/** Undoes the row filters of a pass in place (section 9.2). `bpp` is the distance to the left byte. */
function unfilter(
  data: Uint8Array,
  start: number,
  { height, rowBytes }: { readonly height: number; readonly rowBytes: number },
  bpp: number,
): void {
  let above: Uint8Array = new Uint8Array(rowBytes);
  for (let row = 0; row < height; row++, start += rowBytes + 1) {
    const line = data.subarray(start + 1, start + 1 + rowBytes);
    const filter = data[start];
    if (filter === 1) {
      for (let i = bpp; i < rowBytes; i++) line[i] += line[i - bpp];
    } else if (filter === 2) {
      for (let i = 0; i < rowBytes; i++) line[i] += above[i];
    } else if (filter === 3) {
      for (let i = 0; i < bpp; i++) line[i] += above[i] >> 1;
      for (let i = bpp; i < rowBytes; i++) line[i] += (line[i - bpp] + above[i]) >> 1;
    } else if (filter === 4) {
      unfilterPaeth(line, above, bpp);
    } else if (filter !== 0) {
      throw damaged("png", `row filter ${filter} does not exist`);
    }
    above = line;
  }
}

/** Channel by channel, so that the bytes to the left and above to the left stay in registers. */
function unfilterPaeth(line: Uint8Array, above: Uint8Array, bpp: number): void {
  for (let channel = 0; channel < bpp; channel++) {
    let a = 0, c = 0;
    for (let i = channel; i < line.length; i += bpp) {
      const b = above[i];
      const pa = Math.abs(b - c), pb = Math.abs(a - c), pc = Math.abs(a + b - c - c);
      const predicted = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      a = line[i] = (line[i] + predicted) & 255;
      c = b;
    }
  }
}

/** Turns rows of file samples into output pixels. */
interface Expander {
  readonly channels: 1 | 2 | 3 | 4;
  /** Reads `width` pixels from `at`, and writes them at `to`, `to + stride`, … */
  row(
    from: Uint8Array,
    at: number,
    width: number,
    data: Uint8Array,
    to: number,
    stride: number,
  ): void;
}

/** Chooses how to turn the samples of a file into pixels. */
function expander(bytes: Uint8Array, header: PngHeader): Expander {
  const { colorType, depth } = header;
  const { samples } = COLOR_TYPES[colorType];
  const palette = header.palette && bytes.subarray(...header.palette);
  const transparency = header.transparency && bytes.subarray(...header.transparency);
  if (colorType === PALETTE) return paletteExpander(depth, palette, transparency);
  const key = transparency && colorType <= RGB ? colorKey(transparency, samples, depth) : undefined;
  if (depth < 8) return grayExpander(depth, key);
  return wideExpander(samples as 1 | 2 | 3 | 4, depth >> 3, key);
}

/** One or two bytes a sample; of two, the high one is kept. A pixel equal to `key` is transparent. */
function wideExpander(samples: 1 | 2 | 3 | 4, bytes: number, key?: readonly number[]): Expander {
  const channels = (key ? samples + 1 : samples) as 1 | 2 | 3 | 4;
  return {
    channels,
    row(from, at, width, data, to, stride) {
      if (!key && bytes === 1 && stride === samples) {
        data.set(from.subarray(at, at + width * samples), to);
        return;
      }
      for (let x = 0; x < width; x++, to += stride) {
        let isKey = true;
        for (let s = 0; s < samples; s++, at += bytes) {
          data[to + s] = from[at];
          const sample = bytes === 1 ? from[at] : from[at] << 8 | from[at + 1];
          if (key && sample !== key[s]) isKey = false;
        }
        if (key) data[to + samples] = isKey ? 0 : 255;
      }
    },
  };
}

/** Gray of 1, 2 or 4 bits, stretched to 0…255. */
function grayExpander(depth: number, key?: readonly number[]): Expander {
  const stretch = 255 / ((1 << depth) - 1);
  return tableExpander(
    depth,
    (sample) => [sample * stretch, ...key ? [sample === key[0] ? 0 : 255] : []],
  );
}

/** As libpng does, shows an index past the palette as black. */
function paletteExpander(depth: number, palette?: Uint8Array, transparency?: Uint8Array): Expander {
  if (!palette || palette.length % 3 !== 0) throw damaged("png", "it has no valid PLTE chunk");
  return tableExpander(depth, (index) => {
    const color = [0, 1, 2].map((c) => palette[index * 3 + c] ?? 0);
    return transparency ? [...color, transparency[index] ?? 255] : color;
  });
}

/** One sample a pixel, of at most 8 bits. */
function tableExpander(depth: number, pixelOf: (sample: number) => number[]): Expander {
  const pixels = Array.from({ length: 1 << depth }, (_, sample) => pixelOf(sample));
  const channels = pixels[0].length as 1 | 2 | 3 | 4;
  const table = Uint8Array.from(pixels.flat());
  return {
    channels,
    row(from, at, width, data, to, stride) {
      for (let x = 0; x < width; x++, to += stride) {
        const pixel = packedSample(from, at, x, depth) * channels;
        data[to] = table[pixel];
        if (channels > 1) data[to + 1] = table[pixel + 1];
        if (channels > 2) data[to + 2] = table[pixel + 2];
        if (channels > 3) data[to + 3] = table[pixel + 3];
      }
    },
  };
}

/** The transparent color of a `tRNS` chunk, as file samples. */
function colorKey(data: Uint8Array, samples: number, depth: number): number[] {
  if (data.length < samples * 2) throw damaged("png", "its tRNS chunk is too short");
  const mask = (1 << depth) - 1;
  return Array.from({ length: samples }, (_, s) => (data[s * 2] << 8 | data[s * 2 + 1]) & mask);
}
