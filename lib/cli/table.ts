/** Columns on a terminal. */

import { visible } from "../report/visible.ts";

/** Rows as lines: the first column to the left, the others to the right; the first row is the head. */
export function textTable(rows: readonly (readonly string[])[]): string[] {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) =>
    Math.max(...rows.map((row) => displayWidth(row[column] ?? "")))
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? padEnd(cell, width) : " ".repeat(width - displayWidth(cell)) + cell;
    }).join("  ").trimEnd();
  return [line(head), widths.map((width) => "─".repeat(width)).join("  "), ...body.map(line)];
}

/** Fills a text up to a number of columns. */
export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}

/** Marks that are drawn over the character before them, vowels and ends of Korean syllables, and what joins or varies it. */
const NO_COLUMN = /[\p{Mn}\p{Me}\u1160-\u11ff\ud7b0-\ud7ff\u200c\u200d]/u;
/** What takes two columns, by Unicode's East Asian Width; of a flag's two letters each takes one. */
const TWO_COLUMNS = new RegExp(
  String.raw`[[\p{Emoji_Presentation}--[\u{1f1e6}-\u{1f1ff}]]` +
    String.raw`\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3` +
    String.raw`\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6` +
    String.raw`\u{16fe0}-\u{18d08}\u{1aff0}-\u{1b2fb}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]`,
  "v",
);

/** Columns that a text takes once it is printed. */
export function displayWidth(text: string): number {
  return widthOf(visible(text));
}

/** The same of a text that is printed as it is. */
function widthOf(shown: string): number {
  let width = 0;
  for (const char of shown) width += NO_COLUMN.test(char) ? 0 : TWO_COLUMNS.test(char) ? 2 : 1;
  return width;
}

/** A text that is printed as it is, without what does not fit into so many columns. */
export function cutEnd(shown: string, width: number): string {
  return widthOf(shown) <= width ? shown : fitting(charactersOf(shown), width).join("");
}

/** A text that may take so many columns: what is too much is left out in its middle, as `beg…end`. */
export function cutMiddle(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  const all = charactersOf(text), room = Math.max(0, width - 1);
  const begin = fitting(all, Math.ceil(room / 2));
  const left = room - displayWidth(begin.join(""));
  const end = fitting(all.slice(begin.length).toReversed(), left).toReversed();
  return [...begin, ...width > 0 ? ["…"] : [], ...end].join("");
}

/** The first of some characters, as far as they fit. */
function fitting(characters: readonly string[], width: number): readonly string[] {
  let left = width;
  const end = characters.findIndex((character) => (left -= displayWidth(character)) < 0);
  return end === -1 ? characters : characters.slice(0, end);
}

/** What a reader takes for a character each: letters with their marks, joined emoji. */
function charactersOf(text: string): readonly string[] {
  return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
}
