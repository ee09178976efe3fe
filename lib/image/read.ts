/** Every form in which a program holds an image, to pixels. */

import { abortable } from "@std/async/abortable";
import { concat } from "@std/bytes/concat";
import {
  describePath,
  IsADirectory,
  NotCapable,
  NotFound,
  openStream,
  readBytes as readFileBytes,
} from "../platform.ts";
import { ImageDecodeError, OfflineError, retryAfterMs, withCode } from "../errors.ts";
import { checkOptions, IMAGE_OPTIONS, READ_IMAGE_OPTIONS, shortened } from "../options.ts";
import { fetchFailure, publicUrl } from "../public_url.ts";
import { asUrl } from "../urls.ts";
import { checkPixelCount, decodeImage } from "./decode.ts";
import {
  channelsOf,
  type ImageInput,
  type ImageOptions,
  type ImageSource,
  type Pixels,
  type RawPixels,
  type ReadImageOptions,
  toRgb,
} from "./image.ts";

/**
 * Reads and decodes an image: once for several models, or to draw on it.
 *
 * A string that begins as an `http(s)` or `file` URL (`://`) or as a `data` URL (`data:…,`) is one, and
 * otherwise a path.
 *
 * @example
 * ```ts
 * import { readImage } from "@edge/vgg16/image";
 *
 * const { width, height, data } = await readImage("tests/data/photos/cat.png");
 * console.log(data.length === width * height * 3); // true
 * ```
 *
 * @returns RGB, in an array of its own.
 * @throws {ImageDecodeError} If it is no image, damaged, of a format not decoded, longer than
 *   `maxBytes`, at a URL that does not answer with success, or not among `sources`.
 * @throws {ImageTooLargeError} If it has more than `maxPixels`.
 * @throws {OfflineError} If it is on the network, and `offline` is set.
 * @throws {TypeError} If the input is of no kind listed; with the code `image-fetch` if a text begins as a
 *   URL and is none, is a URL of another scheme, or is the image itself in base64.
 * @throws {RangeError} If raw pixels do not fit their width and height, or an option is not one of its
 *   values.
 * @throws {Deno.errors.NotFound} If there is no such file. Its code is `image-not-found`.
 * @throws {Deno.errors.IsADirectory} If the path is a folder's, likewise.
 */
export async function readImage(
  input: ImageInput,
  options: ReadImageOptions = {},
): Promise<Pixels> {
  checkOptions(READ_IMAGE_OPTIONS, options);
  options.signal?.throwIfAborted();
  if (isRawPixels(input)) return fromRawPixels(input, options);
  return decodeImage(await readBytes(input, options), options);
}

/**
 * Reads the bytes of an image file.
 *
 * @throws {TypeError} If the input is of no kind listed, or a stream or response that was read before.
 */
export async function readBytes(
  input: Exclude<ImageInput, RawPixels>,
  options: ImageOptions,
): Promise<Uint8Array> {
  if (input instanceof Uint8Array) return checkLength(input, options);
  if (input instanceof ArrayBuffer) return checkLength(new Uint8Array(input), options);
  if (input instanceof Blob) return await readStream(input.stream(), options);
  if (input instanceof ReadableStream) {
    if (input.locked) throw wasRead("stream");
    return await readStream(input, options);
  }
  if (input instanceof Response) return await readResponse(input, options);
  if (input instanceof URL) return await readUrl(input, options);
  if (typeof input === "string") {
    const url = urlOf(input);
    return url === undefined ? await readPath(input, options) : await readUrl(url, options);
  }
  throw new TypeError(
    "Expected an image as Uint8Array, ArrayBuffer, Blob, ReadableStream, Response, URL, path " +
      `or { data, width, height }, found ${Object.prototype.toString.call(input)}`,
  );
}

function urlOf(text: string): URL | undefined {
  try {
    return asUrl(text);
  } catch (error) {
    throw withCode(error as TypeError, "image-fetch");
  }
}

/** What a program may take for a path that is none: the URL of another scheme, and an image itself. */
const OTHER_URL = /^(?:[a-z][a-z\d+.-]+:\/\/|blob:)/i;
const BASE64 = /^[\w+/=\s-]{64,}$/;
const AS_DATA_URL = "Write base64 as `data:image/jpeg;base64,` and the text";

async function readPath(path: string, options: ImageOptions): Promise<Uint8Array> {
  const mayBeBase64 = BASE64.test(path);
  checkSource("file", mayBeBase64 ? `a path or base64. ${AS_DATA_URL}` : "a path", options);
  try {
    return await readFile(path, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof IsADirectory) throw error;
    const [scheme] = OTHER_URL.exec(path) ?? [];
    if (scheme === undefined && !mayBeBase64) throw error;
    const expected = scheme === undefined
      ? `Expected an image's path or URL: found a text that is none, and may be base64. ${AS_DATA_URL}`
      : "Expected an image's path, or its http, https, file or data URL: found a text that begins " +
        `with ${
          shortened(scheme)
        }, and there is no such file. Give its bytes, or a function that ` +
        "opens it";
    throw withCode(new TypeError(expected), "image-fetch");
  }
}

const IN_MEMORY = ["data:", "blob:"];

async function readUrl(url: URL, options: ImageOptions): Promise<Uint8Array> {
  const isFile = url.protocol === "file:", isInMemory = IN_MEMORY.includes(url.protocol);
  const source = isFile ? "file" : isInMemory ? "data" : "http";
  checkSource(source, `a ${url.protocol} URL`, options);
  if (isFile) return await readFile(url, options);
  if (options.offline && !isInMemory) throw new OfflineError(publicUrl(url));
  let response: Response;
  try {
    const { fetch: ask = fetch, signal } = options;
    response = await unlessAborted(ask(new Request(url, { signal })), signal);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof NotCapable) throw error;
    // Without its cause, which names the URL.
    throw new ImageDecodeError(`Cannot read ${publicUrl(url)}: ${fetchFailure(error as Error)}`, {
      code: "image-fetch",
      url: publicUrl(url),
      retryable: !isInMemory,
    });
  }
  return await readResponse(response, options, url);
}

/** Waits for what may come too late: who aborts does not wait, and its connection is let go of then. */
export async function unlessAborted<Value>(
  coming: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (signal === undefined) return await coming;
  try {
    return await abortable(coming, signal);
  } catch (error) {
    coming.then(discard).catch(() => {});
    throw error;
  }
}

/** Lets go of the connection of an image that nobody will read. */
export function discard(image: unknown): void {
  const stream = image instanceof Response ? image.body : image;
  // One that is being read is its reader's to end.
  if (stream instanceof ReadableStream && !stream.locked) stream.cancel().catch(() => {});
}

/** @param found What the image is, in words. */
function checkSource(source: ImageSource, found: string, { sources }: ImageOptions): void {
  if (sources === undefined || sources.includes(source)) return;
  throw new ImageDecodeError(
    `Expected an image of the sources ${sources.join(", ")}: found ${found}`,
    { code: "image-fetch", retryable: false },
  );
}

async function readResponse(
  response: Response,
  options: ImageOptions,
  url?: URL,
): Promise<Uint8Array> {
  if (!response.ok) {
    await response.body?.cancel();
    const name = publicUrl(url ?? response.url) || "the response";
    throw new ImageDecodeError(
      `Cannot read ${name}: expected a successful status, found ${response.status} ${response.statusText}`,
      {
        code: "image-fetch",
        url: publicUrl(url ?? response.url) || undefined,
        status: response.status,
        retryAfterMs: retryAfterMs(response),
      },
    );
  }
  if (response.bodyUsed) throw wasRead("response");
  if (!response.body) return new Uint8Array(0);
  return await readStream(response.body, options);
}

async function readFile(path: string | URL, options: ImageOptions): Promise<Uint8Array> {
  try {
    const { size, isFile, isFolder } = await describePath(path);
    if (isFolder) throw new IsADirectory(`Expected an image file, and it is a folder: ${path}`);
    if (!isFile || size === 0) {
      options.signal?.throwIfAborted();
      // A pipe is open once somebody writes to it.
      return await readStream(await unlessAborted(openStream(path), options.signal), options);
    }
    checkLength({ length: size }, options);
    return await readFileBytes(path, options.signal);
  } catch (error) {
    const isNone = error instanceof NotFound || error instanceof IsADirectory;
    throw isNone ? withCode(error, "image-not-found") : error;
  }
}

async function readStream(
  stream: ReadableStream<Uint8Array>,
  options: ImageOptions,
): Promise<Uint8Array> {
  return await readAll(stream, (length) => checkLength({ length }, options), options.signal);
}

/**
 * Reads a stream to its end.
 *
 * @param check Is told after each part how many bytes there are, and throws if they are too many.
 * @throws {TypeError} If a part is no Uint8Array.
 * @throws The signal's reason, what `check` throws, and what ends the stream. It is canceled then.
 */
export async function readAll(
  stream: ReadableStream<Uint8Array>,
  check: (length: number) => void,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const reader = stream.getReader();
  const stop = (): void => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    while (true) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) break;
      if (!(value instanceof Uint8Array)) throw notBytes(value);
      length += value.length;
      check(length);
      parts.push(value);
    }
  } catch (error) {
    // Not awaited: a source may never say that it has ended.
    reader.cancel(error).catch(() => {});
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  const [first, ...others] = parts;
  return first !== undefined && others.length === 0 ? first : concat(parts);
}

function notBytes(value: unknown): TypeError {
  return new TypeError(
    `Expected a stream of an image's bytes, as Uint8Array: found ${
      Object.prototype.toString.call(value)
    }. Many images are an iterable, such as a stream's values()`,
  );
}

function wasRead(what: string): TypeError {
  return new TypeError(
    `Expected an image that nobody has read: this ${what} was read, or is being read. Give its ` +
      "bytes, or a function that opens another",
  );
}

function checkLength<T extends { readonly length: number }>(bytes: T, options: ImageOptions): T {
  const maxBytes = options.maxBytes ?? IMAGE_OPTIONS.maxBytes.default;
  if (bytes.length <= maxBytes) return bytes;
  throw new ImageDecodeError(
    `Expected a file of at most ${maxBytes} bytes, found ${bytes.length} or more: ` +
      `compress the image, or raise maxBytes`,
    { code: "image-bytes" },
  );
}

/** Whether an image is the program's own pixels. */
export function isRawPixels(input: ImageInput): input is RawPixels {
  return typeof input === "object" && input !== null && "data" in input && "width" in input &&
    "height" in input;
}

function fromRawPixels(pixels: RawPixels, options: ImageOptions): Pixels {
  const { data, width, height } = pixels;
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new TypeError("Expected raw pixels' data to be a Uint8Array or a Uint8ClampedArray");
  }
  const isSide = (side: number) => Number.isInteger(side) && side > 0;
  if (!isSide(width) || !isSide(height)) {
    throw new RangeError(
      `Expected positive integers for width and height, found ${width}x${height}`,
    );
  }
  checkPixelCount(pixels, options);
  if (![1, 3, 4].includes(channelsOf(pixels))) {
    throw new RangeError(
      `Expected ${width}x${height} pixels of 1, 3 or 4 bytes, found ${data.length} bytes`,
    );
  }
  const rgb = toRgb(pixels);
  // Of its own: a program may give one array again and again, with other pixels in it, as cameras do.
  return rgb.data.buffer === data.buffer ? { ...rgb, data: rgb.data.slice() } : rgb;
}
