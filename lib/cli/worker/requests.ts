/** What a worker is asked: the requests on its standard input. */

import { fromBase64 } from "../../encoding.ts";
import { ImageDecodeError } from "../../errors.ts";
import { isRecord, isSize, jsonText } from "../../model/json.ts";
import { IMAGE_OPTIONS, shortened } from "../../options.ts";
import { publicUrl } from "../../public_url.ts";
import { BUFFER_BYTES, ByteReader, type Line, type Read } from "./byte_reader.ts";

/** What a request is called. Its answer has the same. */
export type Id = string | number;

/** One request, which gets one answer. */
export interface Request {
  /** `null` where nobody knows it. */
  readonly id: Id | null;
  /** The picture's file or where it is, or why there is none. */
  readonly picture: Uint8Array | URL | Error;
  /** Whether nothing can be read after it. */
  readonly isBroken?: boolean;
}

/** What a worker reads. */
export interface RequestOptions {
  /** Whether there are lines alone. */
  readonly isLines: boolean;
  /** Whether pictures may be fetched from URLs. */
  readonly isFetching: boolean;
  /** Ends it: no more is taken. */
  readonly stop: AbortSignal;
}

/** What came is no request. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** Characters of an id at most. */
const MAX_ID = 1024;
const MAX_BYTES = IMAGE_OPTIONS.maxBytes.default;
/** Bytes of a line at most: the largest picture in base64, and all else. */
const MAX_LINE = Math.ceil(MAX_BYTES / 3) * 4 + BUFFER_BYTES;

/** Reads requests until their end, or until it is stopped. */
export async function* readRequests(
  read: Read,
  options: RequestOptions,
): AsyncGenerator<Request, void, undefined> {
  const { stop } = options, reader = new ByteReader(read, stop);
  try {
    while (!stop.aborted) {
      const line = await reader.line((head) => /"data"\s*:/.test(latin1(head)) ? MAX_LINE : 0);
      if (line === undefined) return;
      const request = await requestOf(line, reader, options);
      yield request;
      if (line.isCut || request.isBroken) return;
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  }
}

async function requestOf(
  line: Line,
  reader: ByteReader,
  options: RequestOptions,
): Promise<Request> {
  if (line.isTooLong) return tooLong(line, options.isLines);
  let header: Header;
  try {
    header = parseHeader(line.bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    if (!line.isCut) return { id: null, picture: error, isBroken: !options.isLines };
    return cutOff(idIn(line.bytes), "a line that ends with a line break");
  }
  const { id, bytes, data, url } = header;
  if (data !== undefined) return { id, picture: decoded(data) };
  if (url !== undefined) return { id, picture: options.isFetching ? webUrl(url) : notFetched() };
  if (options.isLines) {
    const refused = new ProtocolError("Expected lines alone, as of --base64: found bytes");
    return { id, picture: refused };
  }
  return await frameOf(id, bytes, reader);
}

/** The request of a frame that follows its header. */
async function frameOf(id: Id, count: number, reader: ByteReader): Promise<Request> {
  if (count > MAX_BYTES) {
    const found = await reader.skip(count);
    return found < count ? cutOff(id, `${count} bytes`, found) : { id, picture: tooLarge(count) };
  }
  const frame = await reader.frame(count);
  return frame.length < count ? cutOff(id, `${count} bytes`, frame.length) : { id, picture: frame };
}

/** A request's line, of which one is given: `bytes`, `data` or `url`. */
interface Header {
  readonly id: Id;
  readonly bytes: number;
  readonly data?: string;
  readonly url?: string;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** @throws {ProtocolError} If it is none. */
function parseHeader(line: Uint8Array): Header {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(line));
  } catch {
    throw new ProtocolError("Expected a line of JSON in UTF-8, found something else");
  }
  if (!isRecord(value)) throw new ProtocolError(`Expected an object, found ${jsonText(value)}`);
  const { id, bytes, data, url } = value;
  if (!isId(id)) {
    const expected = `a text of at most ${MAX_ID} characters or a safe integer as id`;
    throw new ProtocolError(`Expected ${expected}, found ${jsonText(id)}`);
  }
  const given = [bytes, data, url].filter((item) => item !== undefined);
  if (given.length !== 1) {
    throw new ProtocolError(`Expected one of bytes, data and url, found ${given.length} of them`);
  }
  if (isSize(bytes)) return { id, bytes };
  if (typeof data === "string") return { id, bytes: 0, data };
  if (typeof url === "string") return { id, bytes: 0, url };
  throw new ProtocolError(
    `Expected bytes as their number, data or url as a text, found ${jsonText(given[0])}`,
  );
}

function isId(value: unknown): value is Id {
  return typeof value === "string" ? value.length <= MAX_ID : Number.isSafeInteger(value);
}

/** The id that a line begins with, of which not all is there. */
const FIRST_ID = /^\s*\{\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)\s*[,}]/;

function idIn(head: Uint8Array): Id | null {
  const [, text] = FIRST_ID.exec(new TextDecoder().decode(head)) ?? [];
  try {
    const id: unknown = text && JSON.parse(text);
    return isId(id) ? id : null;
  } catch {
    return null;
  }
}

/** Of a picture in base64 that is too large, the others can be read. */
function tooLong({ bytes, isCut }: Line, isLines: boolean): Request {
  const id = idIn(bytes), isData = /"data"\s*:/.test(latin1(bytes));
  if (id !== null && isData) {
    return isCut ? cutOff(id, "a line break") : { id, picture: tooLarge() };
  }
  const most = isData ? MAX_LINE : BUFFER_BYTES, first = isData ? ", and the id first" : "";
  const error = new ProtocolError(`Expected a line of at most ${most} bytes${first}: found more`);
  return { id: null, picture: error, isBroken: !isLines || isCut };
}

function tooLarge(found?: number): Error {
  const more = found === undefined ? "more" : `${found}`;
  return new ImageDecodeError(`Expected a file of at most ${MAX_BYTES} bytes, found ${more}`, {
    code: "image-bytes",
  });
}

function cutOff(id: Id | null, expected: string, found?: number): Request {
  const has = found === undefined ? "" : ` after ${found} bytes`;
  const picture = new ProtocolError(`Expected ${expected}, found the end of the input${has}`);
  return { id, picture, isBroken: true };
}

function decoded(text: string): Uint8Array | Error {
  try {
    return fromBase64(text);
  } catch (error) {
    return new ImageDecodeError(`Expected base64: ${(error as Error).message}`);
  }
}

function webUrl(text: string): URL | Error {
  const url = URL.parse(text);
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  return noSource(`Expected an http or https URL: found "${shortened(publicUrl(text))}"`);
}

const notFetched = (): Error => noSource("URLs are fetched with --fetch: send the bytes");

function noSource(message: string): Error {
  return new ImageDecodeError(message, { code: "image-fetch", retryable: false });
}

function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}
