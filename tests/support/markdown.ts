/**
 * The code in documents.
 *
 * @module
 */

/** A block of code in a document: what stands behind its fence, and its lines. */
export interface Block {
  readonly kind: string;
  readonly text: string;
}

/** The fenced blocks of a document, in order. */
export function blocksOf(markdown: string): Block[] {
  const fences = markdown.matchAll(/^```(.+)\n([^]*?)^```$/gm);
  return [...fences].map(([, kind, text]) => ({ kind, text }));
}
