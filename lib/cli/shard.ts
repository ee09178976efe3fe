/** Bulk work without a manifest: which of N workers does which images. */

import { type Table, text } from "../options.ts";
import { parseShare, type Share } from "./parts/share.ts";

/** Which share is asked for, as {@linkcode parseShard} reads it. */
export const SHARD_OPTION = {
  shard: text(
    { placeholder: "I/N" },
    "Only share I of N: of each image its name decides. auto/N takes I from a Kubernetes Indexed Job, a Slurm " +
      "array, AWS Batch, Cloud Run or GNU parallel",
  ),
} satisfies Table;

/**
 * The share that `--shard` asks for, or all.
 *
 * @throws {UsageError} If it is none.
 */
export function parseShard(
  text: string | undefined,
  env?: (name: string) => string | undefined,
): Share {
  return text === undefined ? { index: 1, count: 1 } : parseShare(text, "--shard", undefined, env);
}

/** The items of a share: whatever else there is, the same names fall to the same one. */
export function takeShard<Item>(
  items: readonly Item[],
  { index, count }: Share,
  nameOf: (item: Item) => string,
): Item[] {
  return count === 1
    ? [...items]
    : items.filter((item) => hashOf(nameOf(item)) % count === index - 1);
}

/** FNV-1a of the code units, mixed so that its lowest bits depend on all (MurmurHash3's finish). */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let n = 0; n < name.length; n++) hash = Math.imul(hash ^ name.charCodeAt(n), 0x01000193);
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}
