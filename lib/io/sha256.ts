/** Hashes of what fits into memory twice; those of files are in `hash.ts`. */

import { toHex } from "../encoding.ts";
import { concat } from "@std/bytes/concat";

/** SHA-256 of bytes and texts, one after the other, in hex. */
export async function sha256(...parts: readonly (string | Uint8Array)[]): Promise<string> {
  const encoder = new TextEncoder();
  const bytes = concat(parts.map((part) => typeof part === "string" ? encoder.encode(part) : part));
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
