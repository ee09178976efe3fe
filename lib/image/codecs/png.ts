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
  packedSample,
  type Range,
  reductionFor,
  truncated,
  viewOf,
} from "./codec.ts";
import { exifOrientation } from "./exif.ts";
import { inflate } from "./inflate.ts";
import { overWhite, type Pixels, toRgb } from "../image.ts";

export const png: Codec<PngHeader> = { readHeader, decode };

interface PngHeader extends Header {
  readonly depth: number;
  readonly colorType: number;
  readonly interlaced: boolean;
  readonly palette: Range | undefined;
  readonly transparency: Range | undefined;
  /** The data of the `IDAT` chunks. */
  readonly compressed: readonly Range[];
  /** Whether the file ends without an `IEND` chunk, and perhaps in its pixel data. */
  readonly isCut: boolean;
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

/**
 * Walks the chunks. As libpng does, passes over ancillary ones that are damaged, and as Pillow does, over
 * those before `IHDR`. A file may end without `IEND`: whether all its rows are there, inflating tells.
 */
function readHeader(bytes: Uint8Array): PngHeader {
  const view = viewOf(bytes);
  let header: Samples | undefined;
  let exif: Uint8Array | undefined;
  let palette: Range | undefined;
  let transparency: Range | undefined;
  const compressed: Range[] = [];
  let isCut = false;
  for (let at = 8, next = 0;; at = next) {
    isCut = at + 8 > bytes.length;
    if (isCut) break;
    const type = fourCharacters(bytes, at + 4);
    const start = at + 8, end = start + view.getUint32(at);
    next = end + 4;
    isCut = next > bytes.length;
    if (isCut) {
      if (type === "IDAT") compressed.push([start, Math.min(end, bytes.length)]);
      break;
    }
    const isAncillary = (bytes[at + 4] & 0x20) !== 0;
    if (!header && type !== "IHDR" && !isAncillary) {
      throw damaged("png", "its first chunk is not IHDR");
    }
    if (type === "IEND") break;
    if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) {
      if (isAncillary) continue;
      isCut = compressed.length > 0 && type !== "IDAT"; // Something else lies in the place of IEND.
      if (isCut) break;
      const name = JSON.stringify(type);
      throw damaged("png", `chunk ${name} at byte ${at} is corrupt, as its checksum tells`);
    }
    if (type === "IHDR") header ??= parseHeader(bytes.subarray(start, end));
    else if (type === "PLTE") palette = [start, end];
    else if (type === "tRNS") transparency = [start, end];
    else if (type === "eXIf") exif ??= bytes.subarray(start, end);
    else if (type === "IDAT") compressed.push([start, end]);
  }
  if (!header || (isCut && compressed.length === 0)) throw truncated("png", bytes);
  const orientation = exifOrientation(exif);
  return { ...header, orientation, palette, transparency, compressed, isCut };
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

/** Row by row, so that no more than the picture is held, and less of it where less is needed. */
async function decode(bytes: Uint8Array, header: PngHeader, shorterSide: number): Promise<Pixels> {
  const reduction = header.interlaced ? 1 : reductionFor(header, shorterSide);
  const width = header.width / reduction, height = header.height / reduction;
  const expand = expander(bytes, header);
  const data = new Uint8Array(width * height * 3);
  const row = new Uint8Array(header.width * 3), sums = new Uint16Array(width * 3);
  for await (const { line, pass, y } of linesOf(bytes, header)) {
    if (reduction === 1) {
      const start = ((pass.y + y * pass.dy) * width + pass.x) * 3;
      expand(line, pass.width, data, start, pass.dx * 3);
      continue;
    }
    expand(line, pass.width, row, 0, 3);
    addColumns(row, sums, reduction);
    if ((y + 1) % reduction > 0) continue;
    const start = (y + 1 - reduction) / reduction * sums.length, area = reduction * reduction;
    for (let i = 0; i < sums.length; i++) data[start + i] = (sums[i] + area / 2) / area;
    sums.fill(0);
  }
  return { data, width, height };
}

/** Adds the colors of each `reduction` RGB pixels. */
function addColumns(row: Uint8Array, sums: Uint16Array, reduction: number): void {
  for (let to = 0, at = 0; to < sums.length; to += 3) {
    for (const end = at + reduction * 3; at < end; at += 3) {
      sums[to] += row[at];
      sums[to + 1] += row[at + 1];
      sums[to + 2] += row[at + 2];
    }
  }
}

/** A row of a pass, its filter undone. Its bytes are valid until the next is asked for. */
interface Line {
  readonly line: Uint8Array;
  readonly pass: Pass;
  readonly y: number;
}

async function* linesOf(bytes: Uint8Array, header: PngHeader): AsyncGenerator<Line> {
  const bitsPerPixel = COLOR_TYPES[header.colorType].samples * header.depth;
  const passes = passesOf(header, bitsPerPixel).filter(({ height }) => height > 0);
  const length = passes.reduce((sum, pass) => sum + (pass.rowBytes + 1) * pass.height, 0);
  const parts = header.compressed.map(([start, end]) => bytes.subarray(start, end));
  const pieces = inflate(parts, length);
  let piece = new Uint8Array(0), from = 0;
  try {
    for (const pass of passes) {
      // Each with its filter before it.
      let stored = new Uint8Array(pass.rowBytes + 1), above = new Uint8Array(pass.rowBytes + 1);
      for (let y = 0; y < pass.height; y++) {
        for (let at = 0; at < stored.length;) {
          if (from === piece.length) [piece, from] = [(await pieces.next()).value, 0];
          const part = piece.subarray(from, from + stored.length - at);
          stored.set(part, at);
          at += part.length;
          from += part.length;
        }
        const line = stored.subarray(1);
        unfilter(stored[0], line, above.subarray(1), Math.max(1, bitsPerPixel >> 3));
        yield { line, pass, y };
        [stored, above] = [above, stored];
      }
    }
  } catch (cause) {
    throw header.isCut ? truncated("png", bytes, { cause }) : cause;
  } finally {
    await pieces.return(undefined);
  }
}

/** Undoes the filter of a row in place (section 9.2). `bpp` is the distance to the left byte. */
function unfilter(filter: number, line: Uint8Array, above: Uint8Array, bpp: number): void {
  if (filter === 1) {
    for (let i = bpp; i < line.length; i++) line[i] += line[i - bpp];
  } else if (filter === 2) {
    for (let i = 0; i < line.length; i++) line[i] += above[i];
  } else if (filter === 3) {
    const start = Math.min(bpp, line.length);
    for (let i = 0; i < start; i++) line[i] += above[i] >> 1;
    for (let i = bpp; i < line.length; i++) line[i] += (line[i - bpp] + above[i]) >> 1;
  } else if (filter === 4) {
    unfilterPaeth(line, above, bpp);
  } else if (filter !== 0) {
    throw damaged("png", `row filter ${filter} does not exist`);
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

/** Turns `width` pixels of a row into RGB over white, at `start`, `start + stride`, … */
type Expander = (
  line: Uint8Array,
  width: number,
  data: Uint8Array,
  start: number,
  stride: number,
) => void;

function expander(bytes: Uint8Array, header: PngHeader): Expander {
  const { colorType, depth } = header;
  const { samples } = COLOR_TYPES[colorType];
  const palette = header.palette && bytes.subarray(...header.palette);
  const transparency = header.transparency && bytes.subarray(...header.transparency);
  if (colorType === PALETTE) return paletteExpander(depth, palette, transparency);
  const key = transparency && colorType <= RGB ? colorKey(transparency, samples, depth) : undefined;
  if (samples === 1 && depth <= 8) return grayExpander(depth, key?.[0]);
  return wideExpander(samples, depth >> 3, key);
}

/** One or two bytes a sample; of two, the high one is kept. A pixel equal to `key` is transparent. */
function wideExpander(samples: number, bytes: number, key?: readonly number[]): Expander {
  const step = samples * bytes;
  const [green, blue] = samples < 3 ? [0, 0] : [bytes, 2 * bytes];
  const alpha = samples % 2 === 0 ? step - bytes : undefined;
  const isKey = (line: Uint8Array, at: number): boolean =>
    key!.every((sample, s) =>
      sample === (bytes === 1 ? line[at + s] : line[at + s * 2] << 8 | line[at + s * 2 + 1])
    );
  return (line, width, data, to, stride) => {
    if (!key && bytes === 1 && samples === 3 && stride === 3) return data.set(line, to);
    for (let at = 0; at < width * step; at += step, to += stride) {
      const a = key ? (isKey(line, at) ? 0 : 255) : alpha === undefined ? 255 : line[at + alpha];
      data[to] = overWhite(line[at], a);
      data[to + 1] = overWhite(line[at + green], a);
      data[to + 2] = overWhite(line[at + blue], a);
    }
  };
}

/** Gray of up to 8 bits, stretched to 0…255. */
function grayExpander(depth: number, key?: number): Expander {
  const stretch = 255 / ((1 << depth) - 1);
  return tableExpander(depth, (sample) => [sample * stretch, sample === key ? 0 : 255]);
}

/** As libpng does, shows an index past the palette as black. */
function paletteExpander(depth: number, palette?: Uint8Array, transparency?: Uint8Array): Expander {
  if (!palette || palette.length % 3 !== 0) throw damaged("png", "it has no valid PLTE chunk");
  return tableExpander(depth, (index) => {
    const color = [0, 1, 2].map((c) => palette[index * 3 + c] ?? 0);
    return [...color, transparency?.[index] ?? 255];
  });
}

/** One sample a pixel, of at most 8 bits, which stands for gray or RGB, and alpha. */
function tableExpander(depth: number, pixelOf: (sample: number) => number[]): Expander {
  const pixels = Array.from({ length: 1 << depth }, (_, sample) => pixelOf(sample)).flat();
  const { data: table } = toRgb({ data: Uint8Array.from(pixels), width: 1 << depth, height: 1 });
  return (line, width, data, to, stride) => {
    for (let x = 0; x < width; x++, to += stride) {
      const pixel = packedSample(line, 0, x, depth) * 3;
      data[to] = table[pixel];
      data[to + 1] = table[pixel + 1];
      data[to + 2] = table[pixel + 2];
    }
  };
}

/** The transparent color of a `tRNS` chunk, as file samples. */
function colorKey(data: Uint8Array, samples: number, depth: number): number[] {
  if (data.length < samples * 2) throw damaged("png", "its tRNS chunk is too short");
  const mask = (1 << depth) - 1;
  return Array.from({ length: samples }, (_, s) => (data[s * 2] << 8 | data[s * 2 + 1]) & mask);
}
