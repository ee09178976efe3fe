/**
 * Image files to upright, opaque RGB: which format it is, whether the limits allow it, and the codec,
 * on this thread or another, so that a large image does not hold the event loop.
 */

import { toHex } from "../encoding.ts";
import { BackendUnavailableError, ImageDecodeError, ImageTooLargeError } from "../errors.ts";
import { completeOptions, MAX_SIDE, READ_IMAGE_OPTIONS } from "../options.ts";
import { ThreadPool } from "../threads/pool.ts";
import { endingOf, type Thread } from "../threads/thread.ts";
import { type Codec, damaged, type Header } from "./codecs/codec.ts";
import {
  channelsOf,
  type ImageFormat,
  type ImageOptions,
  MAX_DECODERS,
  orient,
  type Pixels,
  type ReadImageOptions,
  type Size,
  toRgb,
} from "./image.ts";

/** Each codec is loaded when the first file of its format arrives. */
const CODECS: Readonly<Record<ImageFormat, () => Promise<Codec>>> = {
  jpeg: async () => (await import("./codecs/jpeg.ts")).jpeg as Codec,
  png: async () => (await import("./codecs/png.ts")).png as Codec,
  gif: async () => (await import("./codecs/gif.ts")).gif as Codec,
  webp: async () => (await import("./codecs/webp.ts")).webp as Codec,
  avif: async () => (await import("./codecs/avif.ts")).avif,
  tiff: async () => (await import("./codecs/tiff.ts")).tiff as Codec,
  bmp: async () => (await import("./codecs/bmp.ts")).bmp as Codec,
};

/** Threads that decode in the background. */
const decoders = new ThreadPool(threadModule(), MAX_DECODERS);

/**
 * The module of those threads: beside this one, with the same ending, and in the module graph as well. Where
 * modules do not know where they lie there are no threads: in Cloudflare's Workers.
 */
function threadModule(): URL | undefined {
  // deno-lint-ignore no-constant-condition
  if (false) import("./background_thread.ts");
  const { url }: { url?: string } = import.meta;
  return url === undefined
    ? undefined
    : new URL(/* @vite-ignore */ `./background_thread${endingOf(url)}`, url);
}

/**
 * Keeps the threads that decode for whoever decodes again and again, until the result is disposed of:
 * then they end, unless somebody else still keeps them.
 */
export function holdDecoders(): AsyncDisposable {
  return decoders.hold();
}

/** A file whose header has been read and held against the limits. */
export interface CheckedFile {
  readonly format: ImageFormat;
  readonly header: Header;
  /** How many pixels of the shorter side are needed. */
  readonly shorterSide: number;
}

/** What a thread is asked: a file's bytes as a buffer, since Deno looks at each element of a view. */
export interface DecodeRequest extends CheckedFile {
  readonly buffer: ArrayBuffer;
}

/** What it answers: an image, or what an error says, since classes do not travel. */
export type DecodeAnswer = Pixels | Pick<ImageDecodeError, "message" | "code">;

/**
 * Decodes an image file. The format is told from the bytes, of an animation or a document the first
 * frame or page is taken, EXIF's orientation is applied, and transparency is laid over white. Color
 * profiles are ignored.
 *
 * @returns RGB
 * @throws {ImageDecodeError} If the bytes are no image, a damaged one, or of a format not decoded or
 *   not among `formats`.
 * @throws {ImageTooLargeError} If the header claims more than `maxPixels`, or a side above 32,768;
 *   nothing that grows with the size was allocated.
 */
export async function decodeImage(
  bytes: Uint8Array,
  options: ReadImageOptions = {},
): Promise<Pixels> {
  const { signal, background, reduceFromPixels, formats } = completeOptions(
    READ_IMAGE_OPTIONS,
    options,
  );
  signal?.throwIfAborted();
  const format = sniffImageFormat(bytes);
  if (!formats.includes(format)) {
    const names = new Intl.ListFormat("en", { type: "disjunction" }).format(formats);
    throw new ImageDecodeError(
      `Expected ${names}, found ${format}, which is not taken here`,
      { code: "image-format", format },
    );
  }
  const codec = await CODECS[format]();
  signal?.throwIfAborted();
  let header: Header;
  try {
    header = codec.readHeader(bytes);
  } catch (error) {
    throw named(format, bytes, error);
  }
  checkPixelCount(header, options);
  const count = header.width * header.height;
  if (count < 1) throw damaged(format, `its size is ${header.width}x${header.height}`);
  const shorterSide = count >= reduceFromPixels ? options.shorterSide : undefined;
  const file = { format, header, shorterSide: shorterSide ?? Infinity };
  const isAway = typeof background === "number" ? count >= background : background;
  // Not there where the platform or its permissions allow no other thread.
  using lease = isAway ? await decoders.take(signal) : undefined;
  if (lease !== undefined) return await decodeOnThread(lease.thread, bytes, file, signal);
  using _place = background === false ? undefined : await decoders.line.take(signal);
  const pixels = await decodeFile(bytes, file);
  signal?.throwIfAborted();
  return pixels;
}

/**
 * Reads the size of an image from its header.
 *
 * @returns `undefined` of one that {@linkcode decodeImage} refuses before it decodes: it says why.
 */
export async function readSize(
  bytes: Uint8Array,
  options: Pick<ImageOptions, "formats" | "maxPixels">,
): Promise<Size | undefined> {
  try {
    const format = sniffImageFormat(bytes);
    if (options.formats?.includes(format) === false) return undefined;
    const { width, height } = (await CODECS[format]()).readHeader(bytes);
    checkPixelCount({ width, height }, options);
    return { width, height };
  } catch {
    return undefined;
  }
}

/** Who aborts is told at once; the thread then ends soon, or is killed. */
async function decodeOnThread(
  thread: Thread,
  bytes: Uint8Array,
  file: CheckedFile,
  signal: AbortSignal | undefined,
): Promise<Pixels> {
  const request: DecodeRequest = { buffer: bytes.slice().buffer, ...file };
  let answer: DecodeAnswer;
  try {
    answer = await thread.ask(request, { transfer: [request.buffer], signal });
  } catch (cause) {
    signal?.throwIfAborted();
    // Not an ImageDecodeError: it says nothing of the image.
    throw new BackendUnavailableError("backend-lost", "decoding", "its thread failed", { cause });
  }
  if ("data" in answer) return answer;
  throw new ImageDecodeError(answer.message, { code: answer.code, format: file.format });
}

/**
 * Decodes a file that was checked.
 *
 * @throws {ImageDecodeError} If it is damaged.
 */
export async function decodeFile(
  bytes: Uint8Array,
  { format, header, shorterSide }: CheckedFile,
): Promise<Pixels> {
  const codec = await CODECS[format]();
  try {
    const pixels = await codec.decode(bytes, header, shorterSide);
    // Decoders are trusted with pixels, not with their number.
    if (![1, 2, 3, 4].includes(channelsOf(pixels))) {
      const { data, width, height } = pixels;
      throw damaged(format, `the decoder gave ${data.length} bytes for ${width}x${height} pixels`);
    }
    return orient(toRgb(pixels), header.orientation);
  } catch (error) {
    throw named(format, bytes, error);
  }
}

/**
 * Holds the size of an image against the limits.
 *
 * @throws {ImageTooLargeError} If it is above them.
 */
export function checkPixelCount(
  { width, height }: Size,
  { maxPixels = READ_IMAGE_OPTIONS.maxPixels.default }: ImageOptions,
): void {
  if (width <= MAX_SIDE && height <= MAX_SIDE && width * height <= maxPixels) return;
  throw new ImageTooLargeError(
    `Expected at most ${maxPixels} pixels and sides of at most ${MAX_SIDE}, ` +
      `found ${width}x${height}: scale the image down, or raise maxPixels`,
    { width, height },
  );
}

/** Makes whatever a codec threw, a trap of its WebAssembly too, an error of this library. */
function named(format: ImageFormat, bytes: Uint8Array, error: unknown): Error {
  if (error instanceof ImageDecodeError) return error;
  // DataView's, for a number that would lie past the end.
  const isShort = error instanceof RangeError && error.message.includes("DataView");
  const isTrap = error instanceof WebAssembly.RuntimeError;
  const what = isShort
    ? `it is truncated at byte ${bytes.length}, or an offset in it points past its end`
    : isTrap
    ? `it is damaged, and its decoder stopped (${error.message})`
    : error instanceof Error
    ? error.message
    : String(error);
  return damaged(format, what, { cause: error });
}

/** What files begin with, in Latin-1; `?` is any byte. */
const SIGNATURES: readonly (readonly [ImageFormat, string])[] = [
  ["jpeg", "\xff\xd8\xff"],
  ["png", "\x89PNG\r\n\x1a\n"],
  ["gif", "GIF8"],
  ["webp", "RIFF????WEBP"],
  ["tiff", "II*\0"],
  ["tiff", "MM\0*"],
  ["bmp", "BM"],
];

/** Formats of pictures that people send and that are refused, so that the refusal can name them. */
const REFUSED_PICTURES: readonly (readonly [string, string])[] = [
  ["JPEG XL", "\xff\x0a"],
  ["JPEG XL", "????JXL "],
  ["JPEG 2000", "????jP  "],
  ["JPEG 2000", "\xff\x4f\xff\x51"],
  ["BigTIFF", "II+\0"],
  ["BigTIFF", "MM\0+"],
];

/** Likewise of other files. */
const REFUSED: readonly (readonly [string, string])[] = [
  ...REFUSED_PICTURES,
  ["PDF", "%PDF"],
  ["Photoshop", "8BPS"],
  ["Windows icon", "\0\0\x01\0"],
  ["gzip", "\x1f\x8b"],
  ["ZIP", "PK\x03\x04"],
];

const AVIF_BRANDS = new Set(["avif", "avis"]);
const HEIC_BRANDS = new Set(["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"]);
const READ = "JPEG, PNG, GIF, WebP, AVIF, TIFF or BMP";

/**
 * Tells the format of an image file.
 *
 * @throws {ImageDecodeError} If the bytes are empty, or of nothing that is decoded. HEIC, SVG and
 *   others are refused by name.
 */
function sniffImageFormat(bytes: Uint8Array): ImageFormat {
  if (bytes.length === 0) throw notAnImage("an empty file", "image-damaged");
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
  throw notAnImage(describe(bytes));
}

function isoBrands(bytes: Uint8Array): string[] {
  const end = Math.min(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), 256);
  const brands = [latin1(bytes, 8, 12)];
  for (let at = 16; at + 4 <= end; at += 4) brands.push(latin1(bytes, at, at + 4));
  return brands;
}

/** AVIF and HEIC share a container: the brands at its start tell them apart. */
function sniffIsoBrand(bytes: Uint8Array): ImageFormat {
  const brands = isoBrands(bytes);
  if (brands.some((brand) => AVIF_BRANDS.has(brand))) return "avif";
  if (brands.some((brand) => HEIC_BRANDS.has(brand))) {
    throw refusal(
      "HEIC",
      "convert it to JPEG first, or set the phone's camera to its compatible format",
    );
  }
  throw refusal(`an ISO media file of brand "${brands[0]}"`, "convert it to JPEG or PNG first");
}

/**
 * Whether a file of any name is a picture, as far as its first bytes tell: one that is decoded, or one of
 * a format that is not, such as HEIC.
 */
export function beginsAsPicture(start: Uint8Array): boolean {
  if (latin1(start, 4, 8) === "ftyp") {
    return isoBrands(start).some((brand) => AVIF_BRANDS.has(brand) || HEIC_BRANDS.has(brand));
  }
  const found = [...SIGNATURES, ...REFUSED_PICTURES].find(([, begin]) => matches(start, begin));
  if (found === undefined) return false;
  // A text may begin with these two letters as well: a bitmap has zeros in its reserved bytes.
  return found[0] !== "bmp" || matches(start, "BM????\0\0\0\0");
}

function refusal(what: string, advice: string): ImageDecodeError {
  return notAnImage(`${what}, which is not decoded: ${advice}`);
}

function notAnImage(
  found: string,
  code: "image-format" | "image-damaged" = "image-format",
): ImageDecodeError {
  return new ImageDecodeError(`Expected ${READ}, found ${found}`, { code });
}

function matches(bytes: Uint8Array, signature: string): boolean {
  return Array.from(signature).every((char, i) =>
    char === "?" ? i < bytes.length : bytes[i] === char.charCodeAt(0)
  );
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
  return `bytes that start with ${toHex(start).match(/../g)!.join(" ")}`;
}
