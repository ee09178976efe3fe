/**
 * PNG (ISO/IEC 15948): every colour type and bit depth, interlaced or not. Sixteen bits keep their
 * high byte. Colour chunks (`gAMA`, `cHRM`, `iCCP`) are ignored, as Pillow does.
 *
 * @module
 */

import {
  type Codec,
  damaged,
  type DecodedPixels,
  fourCharacters,
  truncated,
  viewOf,
} from "./codec.ts";
import { crc32 } from "./crc32.ts";
import { exifOrientation } from "./exif.ts";
import { inflate } from "./inflate.ts";
import { COLOR_TYPES, expander, type PngHeader, type Samples, unfilter } from "./png_rows.ts";

/** PNG. */
export const png: Codec<PngHeader> = { readHeader, decode };

/** Adam7: first column, first row, column step, row step of each pass. */
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
  let orientation = 1;
  let palette: Uint8Array | undefined;
  let transparency: Uint8Array | undefined;
  const compressed: Uint8Array[] = [];
  for (let at = 8;;) {
    const [type, data] = readChunk(bytes, view, at);
    if (type === "IHDR") header ??= parseHeader(data);
    else if (!header) throw damaged("png", "its first chunk is not IHDR");
    else if (type === "PLTE") palette = data;
    else if (type === "tRNS") transparency = data;
    else if (type === "eXIf") orientation = exifOrientation(data);
    else if (type === "IDAT") compressed.push(data);
    else if (type === "IEND") {
      return { ...header, orientation, palette, transparency, compressed };
    }
    at += 12 + data.length;
  }
}

function readChunk(bytes: Uint8Array, view: DataView, at: number): [string, Uint8Array] {
  if (at + 12 > bytes.length) throw truncated("png", bytes);
  const end = at + 8 + view.getUint32(at);
  if (end + 4 > bytes.length) throw truncated("png", bytes);
  const type = fourCharacters(bytes, at + 4);
  if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) {
    const name = JSON.stringify(type);
    throw damaged("png", `chunk ${name} at byte ${at} is corrupt, as its checksum tells`);
  }
  return [type, bytes.subarray(at + 8, end)];
}

function parseHeader(data: Uint8Array): Samples {
  if (data.length !== 13) throw damaged("png", `its IHDR has ${data.length} bytes instead of 13`);
  const view = viewOf(data);
  const [depth, colorType, compression, filter, interlace] = data.subarray(8);
  if (!COLOR_TYPES[colorType]?.depths.includes(depth)) {
    throw damaged("png", `colour type ${colorType} with ${depth} bits does not exist`);
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

async function decode(_bytes: Uint8Array, header: PngHeader): Promise<DecodedPixels> {
  const { width, height } = header;
  const bitsPerPixel = COLOR_TYPES[header.colorType].samples * header.depth;
  const passes = passesOf(header, bitsPerPixel);
  const length = passes.reduce((sum, pass) => sum + (pass.rowBytes + 1) * pass.height, 0);
  const filtered = await inflate(header.compressed, length);
  const expand = expander(header);
  const data = new Uint8Array(width * height * expand.channels);
  let at = 0;
  for (const pass of passes) {
    unfilter(filtered, at, pass, Math.max(1, bitsPerPixel >> 3));
    for (let row = 0; row < pass.height; row++, at += pass.rowBytes + 1) {
      const start = ((pass.y + row * pass.dy) * width + pass.x) * expand.channels;
      expand.row(filtered, at + 1, pass.width, data, start, pass.dx * expand.channels);
    }
  }
  return { data, width, height, channels: expand.channels };
}
