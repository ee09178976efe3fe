/** Hashes of files that are larger than memory, which `crypto.subtle` cannot take in parts. */

import { needed } from "../system/builtin.ts";
import type { ByteSource } from "./byte_source.ts";
import { takeTurn } from "../threads/turn.ts";

/** What publishers of weights hash with. MD5 is no protection; it tells damage. */
export type HashAlgorithm = "sha256" | "md5";

/** The hashes of a whole file of known size, in hex. It is read once for all of them. */
export async function hashSource<Algorithm extends HashAlgorithm>(
  source: ByteSource,
  algorithms: readonly Algorithm[],
  signal?: AbortSignal,
): Promise<Record<Algorithm, string>> {
  const { createHash } = needed("node:crypto");
  const hashes = algorithms.map((algorithm) => [algorithm, createHash(algorithm)] as const);
  const size = source.size!;
  const buffer = new Uint8Array(Math.min(size, 1 << 20));
  for (let offset = 0; offset < size; offset += buffer.length) {
    await takeTurn(signal);
    const part = buffer.subarray(0, Math.min(buffer.length, size - offset));
    await source.read(offset, part);
    for (const [, hash] of hashes) hash.update(part);
  }
  const hex = hashes.map(([algorithm, hash]) => [algorithm, hash.digest("hex")]);
  return Object.fromEntries(hex); // A key for each algorithm.
}

/** SHA-256 of parts one after the other, in hex. A part is used until the next is asked for. */
export async function hashParts(
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<string> {
  const hash = needed("node:crypto").createHash("sha256");
  for await (const part of parts) {
    hash.update(part);
    await takeTurn(undefined);
  }
  return hash.digest("hex");
}
