/** The hashes of a model file: one of the header, one of each chunk of the data. */

import { toHex } from "../encoding.ts";
import { CheckpointFormatError, WeightsIntegrityError } from "../errors.ts";

/** Data are hashed in pieces that are small enough to be checked before they are used. */
export const CHUNK_BYTES = 1 << 20;

/** What stands where the header's own hash goes, while the header is hashed. */
export const NO_HASH = "0".repeat(64);

/** A header begins with the hash's field, so that nothing needs to be parsed before it is checked. */
const FIELD = '{"__metadata__":{"header_sha256":"';
const HASH_BEGIN = 8 + FIELD.length;

/** SHA-256, in hex. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

/** Hashes a header (with its eight bytes of length) whose field is {@linkcode NO_HASH}, and fills it in. */
export async function sealHeader(header: Uint8Array<ArrayBuffer>): Promise<void> {
  header.set(new TextEncoder().encode(await sha256(header)), HASH_BEGIN);
}

/**
 * Checks a header against the hash in it, and returns that.
 *
 * @throws {CheckpointFormatError} If it has none.
 * @throws {WeightsIntegrityError} If it is another.
 */
export async function verifyHeader(
  header: Uint8Array<ArrayBuffer>,
  file: string,
): Promise<string> {
  const begin = new TextDecoder().decode(header.subarray(8, HASH_BEGIN + 64));
  const expected = begin.slice(FIELD.length);
  if (!begin.startsWith(FIELD) || !/^[0-9a-f]{64}$/.test(expected)) {
    throw new CheckpointFormatError(
      `Expected a model file of this library: ${file} is another safetensors file. Convert it with the command convert`,
      { file, offset: 8 },
    );
  }
  const copy = header.slice();
  copy.fill(0x30, HASH_BEGIN, HASH_BEGIN + 64);
  check(expected, await sha256(copy), `The header of ${file}`);
  return expected;
}

/**
 * Checks chunk `index` of the data.
 *
 * @throws {WeightsIntegrityError} If its hash is not the expected one.
 */
export async function verifyChunk(
  bytes: Uint8Array<ArrayBuffer>,
  expected: string,
  index: number,
  file: string,
): Promise<void> {
  check(expected, await sha256(bytes), `Chunk ${index} of the weights in ${file}`);
}

function check(expected: string, actual: string, what: string): void {
  if (actual === expected) return;
  throw new WeightsIntegrityError(
    `${what} is damaged: expected SHA-256 ${expected}, found ${actual}. Copy, download or convert it again`,
    { expected, actual },
  );
}
