/** The text of a list of labeled images: a path or URL and a class on each line. */

import { isNamedAsPicture } from "./picture_files.ts";
import { isWebUrl } from "../urls.ts";

/** A line of a list. */
export interface ListedImage {
  /** Its number, from 1 on. */
  readonly line: number;
  /** Path or URL, as it is written. */
  readonly file: string;
  /** The class, as it is written. */
  readonly label: string;
}

/** What a list says. */
export interface ListFile {
  readonly images: readonly ListedImage[];
  /** Columns that have a name, and are neither of the two. */
  readonly unused: readonly string[];
}

/** Names of columns, as {@linkcode plainName} has them. */
export const FILE_COLUMNS: ReadonlySet<string> = new Set([
  ...["path", "paths", "file", "files", "filename", "filenames", "filepath", "fullpath"],
  ...["image", "images", "imagename", "imagepath", "imagefile", "imageid", "imageurl"],
  ...["img", "imgname", "imgpath", "imgfile", "imgid", "picture", "photo", "url", "uri", "src"],
  ...["relpath", "relativepath", "filelocation", "imagefilename", "imagefilepath"],
]);
export const LABEL_COLUMNS: ReadonlySet<string> = new Set([
  ...["label", "labels", "labelname", "class", "classes", "classname", "classlabel"],
  ...["category", "categoryname", "target", "groundtruth", "tag", "species", "breed"],
]);

/** In the order in which they are tried: a path has a space in it more often than a semicolon. */
const SEPARATORS = ["\t", ";", ",", " "] as const;

/** Where a list has what. */
interface Columns {
  readonly file: number;
  readonly label: number;
  /** The cells of the first line, if it names them. */
  readonly header?: readonly string[];
}

/** A line, or several where a path in quotes has line breaks. */
interface Row {
  readonly line: number;
  readonly cells: readonly string[];
  /** Whether what follows the quotes of its last cell is no separator. */
  readonly isBroken?: boolean;
}

/**
 * Reads a list: columns between commas, semicolons, tabs or (ImageNet's `val.txt`) the last space, in
 * quotes where they hold these. Its first line names the columns, or there are two: path and class.
 *
 * @param list What it is called.
 * @param isThere Whether there is such a file, from the list on.
 * @throws {RangeError} If it has other columns, or a line has more than the first one, or no class.
 */
export function parseList(
  text: string,
  list: string,
  isThere: (file: string) => boolean,
): ListFile {
  const { rows, columns } = tableOf(text, list, isThere);
  const width = columns.header?.length ?? 2;
  const images: ListedImage[] = [];
  for (const { line, cells, isBroken = false } of rows) {
    if (isBroken) {
      throw new RangeError(
        `${list}, line ${line}: expected a separator after the closing quotes of ${quoted(cells)}`,
      );
    }
    if (cells.length > width) {
      throw new RangeError(
        `${list}, line ${line}: expected ${width} columns, as in the first line, found ` +
          `${cells.length}: ${quoted(cells)}. A path with a separator in it needs quotes`,
      );
    }
    const file = cells[columns.file] ?? "", label = cells[columns.label]?.trim() ?? "";
    const missing = label === "" ? "label" : file === "" ? "path" : undefined;
    if (missing !== undefined) {
      throw new RangeError(`${list}, line ${line}: expected a ${missing}, found ${quoted(cells)}`);
    }
    images.push({ line, file, label });
  }
  const unused = columns.header?.filter((name, n) =>
    name !== "" && n !== columns.file && n !== columns.label
  );
  return { images, unused: unused ?? [] };
}

/** The rows below the header, by the first separator with which the first line makes sense. */
function tableOf(
  text: string,
  list: string,
  isThere: (file: string) => boolean,
): { rows: Iterable<Row>; columns: Columns } {
  // Excel's own way to name the separator.
  const [declaration = "", declared] = /^"?sep=(.)"?(?:\r\n|\r|\n)/i.exec(text) ?? [];
  const firstLine = declaration === "" ? 1 : 2, table = text.slice(declaration.length);
  const separators = declared === undefined ? SEPARATORS : [declared];
  let widest: readonly string[] = [];
  for (const separator of separators) {
    const rows = rowsOf(table, separator, firstLine);
    const { done, value: first } = rows.next();
    if (done) return { rows: [], columns: { file: 0, label: 1 } };
    const columns = first.isBroken ? undefined : columnsOf(first.cells, isThere);
    if (columns !== undefined) {
      return { rows: columns.header ? rows : rowsOf(table, separator, firstLine), columns };
    }
    if (first.cells.length >= widest.length && separator !== " ") widest = first.cells;
  }
  throw new RangeError(`${list}: ${misunderstood(widest)}`);
}

/** @returns Undefined of a first line that is neither a header nor a path and a class. */
function columnsOf(
  cells: readonly string[],
  isThere: (file: string) => boolean,
): Columns | undefined {
  const isPicture = (cell: string): boolean => isWebUrl(cell) || isNamedAsPicture(cell);
  const [file, ...moreFiles] = columnsIn(cells, FILE_COLUMNS);
  const [label, ...moreLabels] = columnsIn(cells, LABEL_COLUMNS);
  if (file !== undefined && label !== undefined) {
    const isClear = moreFiles.length + moreLabels.length === 0;
    return isClear ? { file, label, header: cells } : undefined;
  }
  const [path = ""] = cells;
  return cells.length === 2 && (isPicture(path) || isThere(path))
    ? { file: 0, label: 1 }
    : undefined;
}

function columnsIn(cells: readonly string[], names: ReadonlySet<string>): number[] {
  return cells.flatMap((cell, n) => names.has(plainName(cell)) ? [n] : []);
}

/** A column's name in lower case, of letters and digits alone. */
export function plainName(cell: string): string {
  return cell.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
}

/** What is wrong with a first line. */
function misunderstood(cells: readonly string[]): string {
  const [path = ""] = cells;
  if (cells.length === 1 && isNamedAsPicture(path)) return `${path} has no label`;
  const files = columnsIn(cells, FILE_COLUMNS), labels = columnsIn(cells, LABEL_COLUMNS);
  const expected = "Expected a path and a class on each line, or a first line that names the " +
    "columns: one path, file, filename or image, and one label, class or category";
  const found = `found ${cells.length === 1 ? "one column" : `${cells.length} columns`}`;
  const isTwice = files.length > 1 || labels.length > 1;
  const which = isTwice ? ", several of which name the same" : "";
  return `${expected}; ${found}${which}: ${quoted(cells)}`;
}

function quoted(cells: readonly string[]): string {
  const shown = cells.slice(0, 8).map((cell) =>
    `"${cell.length > 60 ? `${cell.slice(0, 60)}…` : cell}"`
  );
  return shown.join(", ") + (cells.length > 8 ? ", …" : "");
}

/** The rows of a table as RFC 4180 has it, with any separator; rows without contents are left out. */
function* rowsOf(
  text: string,
  separator: string,
  firstLine: number,
): Generator<Row> {
  if (separator === " ") return yield* rowsAtLastSpace(text, firstLine);
  const escaped = separator.replace(/[\\^$.|?*+()[\]{}/-]/g, "\\$&");
  const cell = new RegExp(`[ ]*"([^"]*(?:""[^"]*)*)"[ ]*|([^${escaped}\\r\\n]*)`, "y");
  const end = new RegExp(`(${escaped})|\\r\\n|\\r|\\n|$`, "y");
  for (let at = 0, line = firstLine; at < text.length;) {
    const cells: string[] = [], first = line;
    for (let isMore = true; isMore;) {
      cell.lastIndex = at;
      const [all, inQuotes, plain = ""] = cell.exec(text)!; // The second part matches nothing, too.
      end.lastIndex = at + all.length;
      const ended = end.exec(text);
      if (ended === null) {
        yield { line, cells: [inQuotes!], isBroken: true };
        return;
      }
      cells.push(inQuotes?.replaceAll('""', '"') ?? plain.trim());
      line += inQuotes?.match(/\r\n|\r|\n/g)?.length ?? 0;
      isMore = ended[1] !== undefined;
      at = end.lastIndex;
    }
    line++;
    if (cells.some((text) => text.trim() !== "")) yield { line: first, cells: trimmed(cells) };
  }
}

function* rowsAtLastSpace(text: string, firstLine: number): Generator<Row> {
  for (const [n, line] of text.split(/\r\n|\r|\n/).entries()) {
    const row = line.trim(), at = row.lastIndexOf(" ");
    if (row === "") continue;
    const cells = at === -1 ? [row] : [row.slice(0, at).trim(), row.slice(at + 1)];
    yield { line: firstLine + n, cells };
  }
}

/** Without the empty columns at the end that spreadsheets write. */
function trimmed(cells: readonly string[]): readonly string[] {
  return cells.slice(0, cells.findLastIndex((cell) => cell !== "") + 1);
}
