/** Says what a file is, without reading more of it than its beginning. */

import type { ByteSource } from "../../io/byte_source.ts";
import { type Format, FORMATS } from "./open_checkpoint.ts";
import { readHead } from "./head.ts";
import { UNREAD, UNREAD_BY_NAME } from "./unread.ts";

/** What is first in the zip archives that are checkpoints. */
const ZIPPED: readonly (readonly [what: string, first: RegExp])[] = [
  ["a PyTorch checkpoint", /\/data\.pkl/],
  ["a NumPy archive", /\.npy/],
  ["a Keras checkpoint", /config\.json|metadata\.json|\.weights\.h5/],
];

/** What a file is. */
export interface ToldFormat {
  /** In words, with their article. */
  readonly what: string;
  /** Whether it may be converted. */
  readonly isRead: boolean;
}

/** What a file is, as far as its beginning and its name tell. */
export async function tellFormat(source: ByteSource): Promise<ToldFormat | undefined> {
  const head = await readHead(source);
  const isOf = ({ is }: Pick<Format, "is">): boolean => is(head);
  const unread = UNREAD.find(isOf);
  if (unread !== undefined) return { what: unread.what, isRead: false };
  const format = FORMATS.find(isOf);
  if (format === undefined) {
    const byName = UNREAD_BY_NAME.find(isOf);
    return byName && { what: byName.what, isRead: false };
  }
  const zipped = head.text.startsWith("PK") && ZIPPED.find(([, first]) => first.test(head.text));
  return { what: zipped ? zipped[0] : format.what, isRead: true };
}
