/**
 * The files of a `multipart/form-data` form (RFC 7578), found in the body and not copied. Nothing is made
 * of a part before it is counted, so that a body of a hundred thousand of them costs no more than its bytes.
 */

import { badRequest, HttpProblem } from "../server/problems.ts";

/** A file of a form. */
export interface FormFile {
  /** As the client calls it. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Parts that are no files: what a page's form has beside them. */
const MAX_FIELDS = 100;
/** Bytes of a part's headers. */
const MAX_HEAD_BYTES = 4096;

/**
 * Finds the files, and stops at one too many.
 *
 * @throws {HttpProblem} `bad-request` if it is malformed, or cut off; `too-many-images`.
 */
export function filesOfForm(body: Uint8Array, contentType: string, maxFiles: number): FormFile[] {
  const delimiter = `--${boundaryOf(contentType)}`;
  const between = bytesOf(`\r\n${delimiter}`), headEnd = bytesOf("\r\n\r\n");
  const cutOff = (): HttpProblem =>
    malformed(`expected it to end with its boundary, ${delimiter}--`);

  const files: FormFile[] = [];
  let fields = 0;
  // The first delimiter is at the start, or after lines that mean nothing.
  let at = startsWith(body, between.subarray(2), 0) ? -2 : find(body, between, 0);
  while (at !== undefined) {
    at += between.length;
    if (startsWith(body, bytesOf("--"), at)) return files;
    while (body[at] === SPACE || body[at] === TAB) at++;
    if (at === body.length) throw cutOff();
    if (!startsWith(body, bytesOf("\r\n"), at)) throw malformed("a line begins with its boundary");
    const head = find(body.subarray(0, at + MAX_HEAD_BYTES), headEnd, at);
    if (head === undefined) {
      if (at + MAX_HEAD_BYTES > body.length) throw cutOff();
      throw malformed(`expected headers of at most ${MAX_HEAD_BYTES} bytes in a part`);
    }
    const name = fileName(new TextDecoder().decode(body.subarray(at, head)));
    const start: number = head + headEnd.length;
    at = find(body, between, start);
    if (at === undefined) break;
    if (name !== undefined) files.push({ name, bytes: body.subarray(start, at) });
    else if (++fields > MAX_FIELDS) throw malformed(`expected at most ${MAX_FIELDS} fields`);
    if (files.length > maxFiles) {
      const detail = `Expected at most ${maxFiles} images in a request, found more`;
      throw new HttpProblem("too-many-images", detail);
    }
  }
  throw cutOff();
}

function malformed(what: string): HttpProblem {
  return badRequest(`The multipart form is malformed: ${what}`);
}

/** Of at most 70 characters (RFC 2046, section 5.1.1). */
function boundaryOf(contentType: string): string {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]{1,70})"|([^;\s"]{1,70})(?:[;\s]|$))/i
    .exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary !== undefined) return boundary;
  throw malformed("expected a boundary of 1 to 70 characters in the Content-Type");
}

/**
 * The file's name in a part's headers; `undefined` of a part that is no file. Browsers write quotes and
 * ends of lines as `%22` and so on (the HTML standard, "multipart/form-data encoding algorithm"), others
 * put a backslash before a quote, or write all of it as RFC 5987 says.
 */
function fileName(head: string): string | undefined {
  const [, disposition = ""] = /\r\ncontent-disposition:([^\r\n]*)/i.exec(head) ?? [];
  const [, extended] = /;\s*filename\*=utf-8''([^;\s]*)/i.exec(disposition) ?? [];
  if (extended !== undefined) return fromPercent(extended);
  const [, quoted, plain] = /;\s*filename=(?:"((?:\\"|[^"])*)"|([^;\s]*))/i.exec(disposition) ?? [];
  const escapes: Readonly<Record<string, string>> = { "%22": '"', "%0D": "\r", "%0A": "\n" };
  return (quoted ?? plain)?.replaceAll('\\"', '"').replaceAll(
    /%22|%0[AD]/g,
    (text) => escapes[text]!,
  );
}

function fromPercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const SPACE = 0x20, TAB = 0x09;

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Where some bytes are, at `from` or later. */
function find(bytes: Uint8Array, wanted: Uint8Array, from: number): number | undefined {
  for (let at = from; (at = bytes.indexOf(wanted[0]!, at)) !== -1; at++) {
    if (startsWith(bytes, wanted, at)) return at;
  }
  return undefined;
}

function startsWith(bytes: Uint8Array, wanted: Uint8Array, at: number): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}
