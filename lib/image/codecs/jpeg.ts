/**
 * JPEG (ITU-T T.81), decoded by libjpeg-turbo in WebAssembly: the decoder that Pillow has, with the
 * same results. It also decodes at 1/2, 1/4 and 1/8 of the size, out of fewer coefficients.
 */

import {
  type Codec,
  damaged,
  type Header,
  reductionFor,
  truncated,
  unsupported,
  viewOf,
} from "./codec.ts";
import { divide255, type Pixels } from "../image.ts";
import { exifOrientation } from "./exif.ts";
import { Decoder, type DecoderExports, moduleOf } from "./wasm/decoder.ts";
import { JPEG } from "./wasm/jpeg_binary.ts";

interface JpegHeader extends Header {
  /** 1 gray, 3 color, 4 CMYK or YCCK. */
  readonly components: number;
  /** Where the marker of the first scan is. */
  readonly firstScan: number;
}

/** More scans than any encoder writes. Each costs a pass over the whole image. */
const MAX_SCANS = 100;

export const jpeg: Codec<JpegHeader> = { readHeader, decode };

/** Walks the marker segments up to the first scan (B.2). */
function readHeader(bytes: Uint8Array): JpegHeader {
  const view = viewOf(bytes);
  let frame: { width: number; height: number; components: number } | undefined;
  let exif: Uint8Array | undefined;
  for (let at = 2;;) {
    at = bytes.indexOf(0xff, at); // What lies between segments is passed over, as by libjpeg.
    if (at === -1) throw truncated("jpeg", bytes);
    const marker = view.getUint8(at + 1);
    if (marker === 0xff || marker === 0) { // a fill byte, or an 0xff of what is passed over
      at++;
      continue;
    }
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9)) { // those without a segment
      throw damaged("jpeg", `marker ${marker.toString(16)} at byte ${at} is out of place`);
    }
    const end = at + 2 + view.getUint16(at + 2);
    if (isFrame(marker)) {
      if (marker > 0xc2) {
        throw unsupported("jpeg", "it is lossless, hierarchical or arithmetic-coded");
      }
      const bits = view.getUint8(at + 4);
      if (bits !== 8) throw unsupported("jpeg", `expected samples of 8 bits, found ${bits}`);
      const components = view.getUint8(at + 9);
      frame = { height: view.getUint16(at + 5), width: view.getUint16(at + 7), components };
    } else if (marker === 0xe1 && view.getUint32(at + 4) === 0x45786966) { // "Exif"
      exif ??= bytes.subarray(at + 4, end);
    } else if (marker === 0xda) {
      if (!frame) throw damaged("jpeg", "it has no frame header before its first scan");
      return { ...frame, orientation: exifOrientation(exif), firstScan: at };
    }
    at = end;
  }
}

/** SOF0…SOF15, among which DHT, JPG and DAC have their codes. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** What `wasm/jpeg.c` exports besides. */
interface JpegExports extends DecoderExports {
  /** Whether pixels were damaged or missing, and filled in. */
  has_warned(): number;
}

const module = await moduleOf("jpeg", JPEG);

function decode(bytes: Uint8Array, header: JpegHeader, shorterSide: number): Pixels {
  const { hasEnd, isWhole } = checkScans(bytes, header);
  const reduction = reductionFor(header, shorterSide);
  const width = header.width / reduction, height = header.height / reduction;
  const isCmyk = header.components === 4;
  // A progressive file's coefficients have 16 bits, and all are held.
  const maxBytes = 64e6 + bytes.length + header.width * header.height * 16;
  const decoder = new Decoder<JpegExports>("jpeg", module, maxBytes);
  const length = width * height * (isCmyk ? 4 : 3);
  const data = decoder.decode(bytes, length, width, height, reduction, Number(isCmyk));
  // libjpeg fills in gray for what is damaged or missing. Pillow too lets the former pass, and refuses
  // the latter. An end marker that is missing alone costs no pixel.
  if (!hasEnd && (!isWhole || decoder.exports.has_warned())) throw truncated("jpeg", bytes);
  return { data: isCmyk ? fromInvertedCmyk(data) : data, width, height };
}

/**
 * Refuses what would cost much and give nothing.
 *
 * @returns Whether an end marker follows the scans, and whether these have every bit of every
 *   coefficient, the last one's data granted
 */
function checkScans(
  bytes: Uint8Array,
  { width, height, components, firstScan }: JpegHeader,
): { hasEnd: boolean; isWhole: boolean } {
  // Every block of a scan takes a bit at least, and no minimal unit has more than 32x32 pixels.
  if ((bytes.length - firstScan) * 8 < Math.ceil(width / 32) * Math.ceil(height / 32)) {
    throw truncated("jpeg", bytes);
  }
  let scans = 0, hasEnd = false, segmentEnd = firstScan;
  const whole = new Set<number>();
  for (let at = firstScan; at !== -1; at = bytes.indexOf(0xff, at + 1)) {
    const marker = bytes[at + 1];
    if (marker === 0xd9) hasEnd = true;
    if (at < segmentEnd) continue; // Data of a segment.
    if (marker === 0xd9) break; // Phones put films after it.
    const isSegment = marker >= 0xc0 && marker < 0xff && !(marker >= 0xd0 && marker <= 0xd8);
    if (isSegment) segmentEnd = at + 2 + (bytes[at + 2] << 8 | bytes[at + 3]);
    if (marker !== 0xda) continue;
    if (++scans > MAX_SCANS) throw damaged("jpeg", `it has more than ${MAX_SCANS} scans`);
    // The components, each with its tables, then which coefficients, and by which bit (B.2.3).
    const end = at + 5 + bytes[at + 4] * 2;
    const [first, last, bit] = bytes.subarray(end, end + 3);
    if ((bit & 15) !== 0) continue; // Lower bits are to come.
    for (let component = at + 5; component < end; component += 2) {
      for (let k = first; k <= Math.min(last, 63); k++) whole.add(bytes[component] << 6 | k);
    }
  }
  return { hasEnd, isWhole: whole.size >= components * 64 };
}

/** Adobe's CMYK is stored inverted. To RGB as Pillow does, and in place of it. */
function fromInvertedCmyk(data: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(data.length / 4 * 3);
  for (let at = 0, to = 0; at < data.length; at += 4, to += 3) {
    const black = data[at + 3];
    for (let c = 0; c < 3; c++) rgb[to + c] = black - divide255((255 - data[at + c]) * black);
  }
  return rgb;
}
