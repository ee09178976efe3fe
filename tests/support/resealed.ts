/**
 * Model files that somebody edited and sealed again: a hostile file has a valid hash, as who damages one does
 * not.
 *
 * @module
 */

import { concat } from "@std/bytes/concat";
import { NO_HASH, sealHeader, sha256 } from "../../lib/model/integrity.ts";

/** What a file is edited as. */
export interface Edited {
  /** The header's JSON: tensors by their names. */
  // deno-lint-ignore no-explicit-any -- a header is changed to what none may be
  readonly header: Record<string, any>;
  /** The document in it. */
  // deno-lint-ignore no-explicit-any -- as well
  readonly document: Record<string, any>;
  /** What follows the header. */
  data: Uint8Array<ArrayBuffer>;
}

/** A model file with its header, its document or its data changed, whose hashes hold. */
export async function resealed(
  bytes: Uint8Array<ArrayBuffer>,
  change: (file: Edited) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const begin = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, begin)));
  const document = JSON.parse(header.__metadata__.model);
  const file = { header, document, data: bytes.slice(begin) };
  const { sha256: hashes, chunkBytes } = document.integrity;
  for (let n = 0; n < hashes.length; n++) hashes[n] = undefined;
  change(file);
  // Those that the change has set itself are kept.
  for (let n = 0; n < hashes.length; n++) {
    hashes[n] ??= await sha256(file.data.slice(n * chunkBytes, (n + 1) * chunkBytes));
  }
  header.__metadata__ = { header_sha256: NO_HASH, model: JSON.stringify(document) };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const sealed = new Uint8Array(8 + json.length);
  new DataView(sealed.buffer).setBigUint64(0, BigInt(json.length), true);
  sealed.set(json, 8);
  await sealHeader(sealed);
  return concat([sealed, file.data]);
}
