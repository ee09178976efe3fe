/** The pictures that a manifest is made of, one after the other: those of a folder, or those that a list names. */

import { CsvParseStream } from "@std/csv";
import { TextLineStream } from "@std/streams";
import { dirname, extname, relative, resolve } from "node:path";
import { FILE_COLUMNS, LABEL_COLUMNS, plainName } from "../../input/list_file.ts";
import { isNamedAsPicture, walkPictures } from "../../input/picture_files.ts";
import { isRecord } from "../../model/json.ts";
import { describePath, openStream } from "../../platform.ts";
import { publicUrl } from "../../public_url.ts";
import { beginsAsUrl, isWebUrl } from "../../urls.ts";
import { streamFromStdin } from "../stdin.ts";
import { UsageError } from "../usage_error.ts";
import type { Entry } from "./manifest.ts";

/** What is found, and whether all ids in it are different by themselves. */
export interface Listed {
  readonly entries: AsyncIterable<Entry>;
  readonly areDifferent: boolean;
}

/** How pictures are listed. */
export interface ListOptions {
  /** Whether names in folders count that begin with a dot. */
  readonly hidden?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Told of each link to a folder, which is not followed. */
  readonly onLink?: (path: string) => void;
}

/**
 * Lists what an operand names: a folder, whose pictures are called by their paths in it; a list with columns
 * (`.csv`, `.tsv`), with JSON lines (`.jsonl`), or of a path or URL a line; or `-`, such a list of paths. Relative
 * paths are from the list's own folder, or from the current one.
 */
export async function listEntries(
  operand: string,
  options: ListOptions,
): Promise<Listed> {
  if (operand === "-") {
    const name = "standard input";
    const list = stoppable(streamFromStdin(), options.signal);
    return { entries: sound(namedBy(list, ".", name), name), areDifferent: false };
  }
  if ((await describePath(operand)).isFolder) {
    return { entries: picturesOf(operand, options), areDifferent: true };
  }
  const list = stoppable(await openStream(operand), options.signal), folder = dirname(operand);
  const read = READERS[extname(operand).toLowerCase()] ?? namedBy;
  return { entries: sound(read(list, folder, operand), operand), areDifferent: false };
}

/** The same bytes, until they are wanted no more, also where none come. */
function stoppable(
  list: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return list.pipeThrough(new TransformStream(), { signal });
}

/** The same entries. @throws {UsageError} Where those who parse a list find no text in UTF-8, or no quotes that end. */
async function* sound(entries: AsyncIterable<Entry>, name: string): AsyncGenerator<Entry> {
  try {
    yield* entries;
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
    const what = error instanceof SyntaxError ? error.message : "it is no UTF-8";
    throw new UsageError(`Cannot read the list ${name}: ${what}`, { cause: error });
  }
}

async function* picturesOf(
  folder: string,
  { hidden, signal, onLink }: ListOptions,
): AsyncGenerator<Entry> {
  for await (const path of walkPictures(folder, signal, hidden, onLink)) {
    yield { id: relative(folder, path), place: resolve(path) };
  }
}

/** Reads a list. */
type Reader = (
  list: ReadableStream<Uint8Array<ArrayBuffer>>,
  folder: string,
  name: string,
) => AsyncGenerator<Entry>;

const READERS: Readonly<Partial<Record<string, Reader>>> = {
  ".csv": (list, folder, name) => inColumns(list, ",", folder, name),
  ".tsv": (list, folder, name) => inColumns(list, "\t", folder, name),
  ".jsonl": inJson,
};

function textOf(list: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  return list.pipeThrough(new TextDecoderStream("utf-8", { fatal: true }));
}

function linesOf(list: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  // The package's types are those of another platform.
  return textOf(list).pipeThrough(new TextLineStream()) as ReadableStream<string>;
}

async function* namedBy(
  list: ReadableStream<Uint8Array<ArrayBuffer>>,
  folder: string,
  name: string,
): AsyncGenerator<Entry> {
  for await (const line of linesOf(list)) {
    if (line.trim() === "") continue;
    if (line.includes("\0")) {
      throw new UsageError(`Expected a path or a URL on each line of ${name}: it is no text`);
    }
    yield entry({ file: line }, folder);
  }
}

async function* inColumns(
  list: ReadableStream<Uint8Array<ArrayBuffer>>,
  separator: string,
  folder: string,
  name: string,
): AsyncGenerator<Entry> {
  const parse = new CsvParseStream({ separator, fieldsPerRecord: -1 });
  const rows = textOf(list).pipeThrough(parse) as ReadableStream<string[]>;
  let columns: Columns | undefined, row = 0;
  for await (const written of rows) {
    const cells = written.map((cell) => cell.trim());
    row++;
    if (columns === undefined) {
      columns = columnsOf(cells, name);
      if (columns.hasHeader) continue;
    }
    const { id, file, label, width } = columns;
    if (cells.length > width || !cells[file]) {
      const found = cells.length > width ? `${cells.length} columns` : "none";
      throw new UsageError(
        `${name}, row ${row}: expected a path or a URL in ${width} columns at most, found ${found}`,
      );
    }
    yield entry(
      {
        file: cells[file],
        ...id !== undefined && { id: cells[id] },
        ...label !== undefined && { label: cells[label] },
      },
      folder,
    );
  }
}

/** Where a list has what. */
interface Columns {
  readonly id?: number;
  readonly file: number;
  readonly label?: number;
  readonly width: number;
  readonly hasHeader: boolean;
}

/** By a first row that names them; or there are a path and, if any, what it shows. */
function columnsOf(cells: readonly string[], list: string): Columns {
  const names = cells.map(plainName), width = cells.length;
  const id = names.findIndex((name) => ["id", "imageid", "imgid", "key"].includes(name));
  const among = (known: ReadonlySet<string>): number => {
    const [column = -1, ...more] = names.flatMap((name, n) =>
      n !== id && known.has(name) ? [n] : []
    );
    if (more.length === 0) return column;
    throw new UsageError(`${list}: several columns name the same: ${cells.slice(0, 6).join(", ")}`);
  };
  const named = among(FILE_COLUMNS), file = named === -1 ? id : named, label = among(LABEL_COLUMNS);
  const [first = ""] = cells;
  if (named !== -1 || id !== -1 && names[id] !== "id" && names[id] !== "key") {
    const has = { ...file !== id && id !== -1 && { id }, ...label !== -1 && { label } };
    return { ...has, file, width, hasHeader: true };
  }
  if (width <= 2 && (isWebUrl(first) || isNamedAsPicture(first))) {
    return { file: 0, ...width === 2 && { label: 1 }, width, hasHeader: false };
  }
  throw new UsageError(
    `${list}: expected a first row that names the columns, one of them path or url (and id, label, if there are), ` +
      `found ${cells.slice(0, 6).join(", ")}`,
  );
}

async function* inJson(
  list: ReadableStream<Uint8Array<ArrayBuffer>>,
  folder: string,
  name: string,
): AsyncGenerator<Entry> {
  let row = 0;
  for await (const line of linesOf(list)) {
    row++;
    if (line.trim() === "") continue;
    const { id, path, url, label } = objectOf(line);
    const file = path ?? url, texts = [id ?? "", file, label ?? ""];
    const isBoth = path !== undefined && url !== undefined;
    if (texts.some((text) => typeof text !== "string") || file === "" || isBoth) {
      throw new UsageError(
        `${name}, line ${row}: expected a JSON object with a path or a url (and id, label, if there are), texts, found ` +
          line.slice(0, 80),
      );
    }
    yield entry(
      { file, ...id !== undefined && { id }, ...label !== undefined && { label } },
      folder,
    );
  }
}

// deno-lint-ignore no-explicit-any -- Whatever it holds is checked.
function objectOf(line: string): Record<string, any> {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

/** A picture as a list names it; `id` and `label` may be empty, as cells are. */
function entry(
  { id, file, label }: { readonly id?: string; readonly file: string; readonly label?: string },
  folder: string,
): Entry {
  const isUrl = isWebUrl(file);
  if (file.includes("\0")) throw new UsageError("Expected a list in UTF-8: it has NUL characters");
  if (!isUrl && beginsAsUrl(file)) {
    throw new UsageError(
      `Expected a path, or an http or https URL: found ${
        publicUrl(file)
      }. What reads other stores passes pictures to ` +
        "vgg16 worker",
    );
  }
  return {
    id: id || (isUrl ? publicUrl(file) : file),
    place: isUrl ? file : resolve(folder, file),
    ...label && { label },
  };
}
