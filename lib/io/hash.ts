/**
 * Hashes of files that are larger than memory, which `crypto.subtle` cannot take in parts.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { ByteSource } from "./byte_source.ts";

/** What publishers of weights hash with. MD5 is no protection; it tells damage. */
export type HashAlgorithm = "sha256" | "md5";

/** A hash that takes bytes in parts. */
export interface IncrementalHash {
  update(bytes: Uint8Array): void;
  /** The hash, in hex. */
  digest(): string;
}

/** Begins a hash. */
export function startHash(algorithm: HashAlgorithm): IncrementalHash {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("hex") };
}

/** Puts a whole file of known size into a hash. */
export async function hashSource(source: ByteSource, hash: IncrementalHash): Promise<void> {
  const size = source.size!;
  const buffer = new Uint8Array(Math.min(size, 1 << 20));
  for (let offset = 0; offset < size; offset += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, size - offset));
    await source.read(offset, part);
    hash.update(part);
  }
}
