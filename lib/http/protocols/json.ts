/** JSON of a request, which is looked over before anything is made of it. */

import { jsonText } from "../../model/json.ts";
import { badRequest } from "../server/problems.ts";

/** Lists in lists: a tensor nested as its shape says is 7 deep. */
const MAX_DEPTH = 32;
/** Objects, and names in them, of which each costs a hundred times its characters. */
const MAX_NAMES = 10_000;
/** Lists: a megapixel that is nested as its shape says. */
const MAX_LISTS = 2 ** 20 + 2 ** 16;

/**
 * Parses a JSON object.
 *
 * @throws {HttpProblem} `bad-request` if it is none, or would cost much more than its bytes.
 */
export function parseJson(body: Uint8Array): Record<string, unknown> {
  checkCost(body);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    throw badRequest(`The JSON is malformed: ${(error as Error).message}`, error);
  }
  if (Array.isArray(value)) throw badRequest("Expected a JSON object, found a list");
  if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  throw badRequest(`Expected a JSON object, found ${jsonText(value)}`);
}

const [QUOTE, BACKSLASH, COLON] = bytesOf('"\\:');
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = bytesOf("[]{}");

/** Counts what makes memory of few bytes. What is no JSON is told by the parser. */
function checkCost(body: Uint8Array): void {
  let depth = 0, names = 0, lists = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (byte === QUOTE) at = endOfText(body, at);
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
    else if (byte === COLON) names++;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      depth++;
      if (byte === OPEN_LIST) lists++;
      else names++;
      if (depth > MAX_DEPTH) throw tooCostly(`nested at most ${MAX_DEPTH} deep`);
      if (lists > MAX_LISTS) throw tooCostly(`of at most ${MAX_LISTS} lists`);
    }
    if (names > MAX_NAMES) throw tooCostly(`of at most ${MAX_NAMES} objects and names`);
  }
}

function tooCostly(expected: string): Error {
  return badRequest(`Expected JSON ${expected}, found more: send tensors flat, or as bytes`);
}

/** The quote that ends the text that begins at `start`: not one after an odd number of backslashes. */
function endOfText(body: Uint8Array, start: number): number {
  for (let at = start; (at = body.indexOf(QUOTE!, at + 1)) !== -1;) {
    let before = at;
    while (body[before - 1] === BACKSLASH) before--;
    if ((at - before) % 2 === 0) return at;
  }
  return body.length;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
