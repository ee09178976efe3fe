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

/** Marks that are drawn over the character before them, and what joins or varies it. */
const NO_COLUMN = /[\p{Mn}\p{Me}\u200c\u200d]/u;
/** What takes two columns, by Unicode's East Asian Width. */
const TWO_COLUMNS =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;

/** Columns that a text takes once it is printed. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of visible(text)) {
    width += NO_COLUMN.test(char) ? 0 : TWO_COLUMNS.test(char) ? 2 : 1;
  }
  return width;
}
