/** Tables for a terminal. */

/** Rows as text: the first column to the left, the others to the right; the first row is the head. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    }).join("  ").trimEnd();
  return [line(head), widths.map((width) => "─".repeat(width)).join("  "), ...body.map(line)]
    .join("\n");
}
