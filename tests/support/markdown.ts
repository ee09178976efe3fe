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

/** A command in a block of them, and the comments below it: what it prints. */
export interface ShownCommand {
  readonly command: string;
  readonly shown: string;
}

/** The commands of a block; one that ends in a backslash goes on in the next line. */
export function commandsOf(text: string): ShownCommand[] {
  return text.replaceAll(/ *\\\n */g, " ").split(/^(?=[^#])/m).map((lines) => {
    const [command, ...shown] = lines.trimEnd().split("\n");
    return { command, shown: shownBelow(shown, "# ") };
  });
}

/** The comments that stand below code: what it prints. */
export function shownBelow(lines: readonly string[], mark: string): string {
  return lines.filter((line) => line.startsWith(mark)).map((line) => line.slice(mark.length))
    .join("\n");
}
