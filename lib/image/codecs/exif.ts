/** The orientation in EXIF metadata. */

import { viewOf } from "./codec.ts";

const ORIENTATION = 0x0112;
const SHORT = 3;

/**
 * Reads the orientation of an EXIF block: a TIFF header and its first directory, with or without
 * `Exif\0\0` before it. Of several in a file the first counts.
 *
 * @returns 1…8; 1 where there is none or it cannot be read, since metadata never spoils an image
 */
export function exifOrientation(block: Uint8Array | undefined): number {
  if (block === undefined) return 1;
  try {
    const prefixed = String.fromCharCode(...block.subarray(0, 4)) === "Exif";
    const view = viewOf(prefixed ? block.subarray(6) : block);
    const little = view.getUint16(0) === 0x4949;
    const directory = view.getUint32(4, little);
    const entries = view.getUint16(directory, little);
    for (let i = 0, at = directory + 2; i < entries; i++, at += 12) {
      if (view.getUint16(at, little) !== ORIENTATION) continue;
      const value = view.getUint16(at + 2, little) === SHORT ? view.getUint16(at + 8, little) : 1;
      return value >= 1 && value <= 8 ? value : 1;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // an offset past the end
  }
  return 1;
}
