/**
 * Tells an image's format from its first bytes. Names and media types are not believed.
 *
 * @module
 */

import { ImageDecodeError } from "../errors.ts";

/** A format that is decoded. */
export type ImageFormat = "jpeg" | "png" | "gif" | "webp" | "avif" | "tiff" | "bmp";

interface Signature {
  /** Where it stands. */
  readonly offset: number;
  /** Latin-1 text; `?` is any byte. */
  readonly text: string;
}

const SIGNATURES: readonly (readonly [ImageFormat, Signature])[] = [
  ["jpeg", { offset: 0, text: "\xff\xd8\xff" }],
  ["png", { offset: 0, text: "\x89PNG\r\n\x1a\n" }],
  ["gif", { offset: 0, text: "GIF8" }],
  ["webp", { offset: 0, text: "RIFF????WEBP" }],
  ["tiff", { offset: 0, text: "II*\0" }],
  ["tiff", { offset: 0, text: "MM\0*" }],
  ["bmp", { offset: 0, text: "BM" }],
];

/** Formats that people send and that are refused, so that the refusal can name them. */
const REFUSED: readonly (readonly [string, Signature])[] = [
  ["PDF", { offset: 0, text: "%PDF" }],
  ["JPEG XL", { offset: 0, text: "\xff\x0a" }],
  ["JPEG XL", { offset: 4, text: "JXL " }],
  ["JPEG 2000", { offset: 4, text: "jP  " }],
  ["JPEG 2000", { offset: 0, text: "\xff\x4f\xff\x51" }],
  ["BigTIFF", { offset: 0, text: "II+\0" }],
  ["BigTIFF", { offset: 0, text: "MM\0+" }],
  ["Photoshop", { offset: 0, text: "8BPS" }],
  ["Windows icon", { offset: 0, text: "\0\0\x01\0" }],
  ["gzip", { offset: 0, text: "\x1f\x8b" }],
  ["ZIP", { offset: 0, text: "PK\x03\x04" }],
];

const HEIC_BRANDS = new Set(["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"]);
const READ = "JPEG, PNG, GIF, WebP, AVIF, TIFF or BMP";

/**
 * Tells the format of an image file.
 *
 * @throws {ImageDecodeError} If the bytes are empty, or of nothing that is decoded. HEIC, SVG and
 *   others are refused by name.
 */
export function sniffFormat(bytes: Uint8Array): ImageFormat {
  if (bytes.length === 0) throw new ImageDecodeError(`Expected ${READ}, found an empty file`);
  const found = SIGNATURES.find(([, signature]) => matches(bytes, signature));
  if (found) return found[0];
  if (latin1(bytes, 4, 8) === "ftyp") return sniffIsoBrand(bytes);

  const refused = REFUSED.find(([, signature]) => matches(bytes, signature));
  if (refused) throw refusal(refused[0], "convert it to JPEG or PNG first");
  const text = latin1(bytes, 0, 1024);
  if (/<svg[\s>]/i.test(text)) throw refusal("SVG", "render it to PNG first");
  if (/<(!doctype )?html/i.test(text)) {
    throw refusal("HTML", "the address probably gave a web page instead of the image");
  }
  throw new ImageDecodeError(`Expected ${READ}, found ${describe(bytes)}`);
}

/** AVIF and HEIC share a container: the brands at its start tell them apart. */
function sniffIsoBrand(bytes: Uint8Array): ImageFormat {
  const end = Math.min(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), 256);
  const brands = [latin1(bytes, 8, 12)];
  for (let at = 16; at + 4 <= end; at += 4) brands.push(latin1(bytes, at, at + 4));
  if (brands.includes("avif") || brands.includes("avis")) return "avif";
  if (brands.some((brand) => HEIC_BRANDS.has(brand))) {
    throw refusal(
      "HEIC",
      "convert it to JPEG first, or set the phone's camera to its compatible format",
    );
  }
  throw refusal(`an ISO media file of brand "${brands[0]}"`, "convert it to JPEG or PNG first");
}

function refusal(what: string, advice: string): ImageDecodeError {
  return new ImageDecodeError(`Expected ${READ}, found ${what}, which is not decoded: ${advice}`);
}

function matches(bytes: Uint8Array, { offset, text }: Signature): boolean {
  if (bytes.length < offset + text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== "?" && bytes[offset + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}

function describe(bytes: Uint8Array): string {
  const start = bytes.subarray(0, 16);
  if (
    start.every((byte) => (byte >= 32 && byte < 127) || byte === 9 || byte === 10 || byte === 13)
  ) {
    return `text that starts with ${JSON.stringify(latin1(start, 0, 16))}`;
  }
  return `bytes that start with ${
    [...start].map((b) => b.toString(16).padStart(2, "0")).join(" ")
  }`;
}
