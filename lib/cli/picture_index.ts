/** What `similar` and `duplicates` share: the index of a folder, and where results go. */

import { basename, extname, join, relative } from "node:path";
import { stringify } from "@std/csv";
import { writeWhole } from "../io/atomic_file.ts";
import { permittedCacheDir } from "../io/cache.ts";
import { sha256 } from "../io/sha256.ts";
import { flag, pickOptions, type Table, text, type Values } from "../options.ts";
import { INDEX_OPTIONS } from "../options/search.ts";
import { describePath, makeFolder, NotFound, realPath } from "../platform.ts";
import { visibleJson } from "../report/visible.ts";
import { openIndex, type SearchIndex } from "../search/search_index.ts";
import { csvCell } from "./csv.ts";
import { expandInputs } from "./inputs.ts";
import { keepInputs } from "./outputs.ts";
import { ProgressLine } from "./progress.ts";
import { CLASSIFIER_FLAGS } from "./run.ts";
import { print, printCsv, printJson, tell, tellError } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** Options of both commands. */
export const PICTURE_FLAGS = {
  json: flag({}, "Print JSON lines"),
  csv: flag({}, "Print CSV"),
  out: text(
    { placeholder: "FILE", unset: "text on standard output" },
    ".html, a page with the pictures; .jsonl or .csv",
  ),
  index: text(
    { placeholder: "FILE", unset: "a file in the user's folder for caches" },
    "Where it is kept what the pictures look like; only new and changed ones are looked at again",
  ),
  rebuild: { ...INDEX_OPTIONS.rebuild, default: undefined },
  ...CLASSIFIER_FLAGS,
} satisfies Table;

/** The folder that is searched, with its index. */
export interface Folder extends AsyncDisposable {
  readonly index: SearchIndex;
  /** The picture of the index that a path leads to. */
  nameOf(path: string): Promise<string | undefined>;
  /** A picture's path. */
  pathOf(name: string): string;
  /** Pictures that could not be read. */
  readonly failed: number;
}

/**
 * Opens the index of a folder, and brings it up to date.
 *
 * @param inputs Whatever else is read.
 * @throws {UsageError} If it is no folder, or `--out` or `--index` would replace what is read.
 */
export async function openFolder(
  folder: string,
  inputs: readonly string[],
  options: Values<typeof PICTURE_FLAGS>,
  signal: AbortSignal,
): Promise<Folder> {
  const { out, index: given, rebuild, model } = options;
  formatOf(options);
  const isFolder = await isDirectory(folder);
  if (!isFolder) {
    const found = isFolder === undefined ? "there is none at" : "found the file";
    throw new UsageError(`Expected a directory of pictures: ${found} ${folder}`);
  }
  const pictures = await expandInputs([folder]);
  const read = [...pictures.map(({ place }) => place), ...inputs];
  await keepInputs([...read, model], [out, given].filter((path) => path !== undefined));
  const home = await realPath(folder);
  const kept = given ?? await cachedIndex(home, options);
  if (kept === undefined) {
    tell(
      "The index is not kept, as the folder for caches must not be written: name a file with --index",
    );
  }
  const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal, onWarning: tell };
  // Nobody has named the one in the cache.
  const isRebuilt = rebuild || given === undefined;
  await using stack = new AsyncDisposableStack();
  const index = stack.use(await openIndex({ ...wanted, file: kept, rebuild: isRebuilt }));
  const failed = await bringUpToDate(index, folder, pictures.map(({ place }) => place), signal);
  const moved = stack.move();
  return {
    ...{ index, failed },
    pathOf: (name) => join(folder, name),
    async nameOf(path) {
      const real = await realPath(path).catch(() => undefined);
      const name = real && relative(home, real);
      return name !== undefined && index.has(name) ? name : undefined;
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** `undefined` if there is nothing at that path. */
async function isDirectory(path: string): Promise<boolean | undefined> {
  try {
    return (await describePath(path)).isFolder;
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}

/** Where the index of a folder is kept that nobody has named a file for: not among the pictures. */
async function cachedIndex(
  folder: string,
  { model, precision, backend }: Values<typeof PICTURE_FLAGS>,
): Promise<string | undefined> {
  const cache = permittedCacheDir();
  if (cache === undefined) return undefined;
  const own = await sha256(JSON.stringify([folder, model, precision, backend]));
  await makeFolder(join(cache, "search"));
  return join(cache, "search", `${basename(folder).slice(0, 50)}-${own.slice(0, 12)}.safetensors`);
}

/** Returns how many pictures could not be read. */
async function bringUpToDate(
  index: SearchIndex,
  folder: string,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const images = paths.map((path) => ({ name: relative(folder, path), image: path }));
  using progress = new ProgressLine("Looking");
  const { added, changed, removed, errors } = await index.update(images, {
    signal,
    onProgress: (far) => progress.show(far),
  });
  for (const { cause, image } of errors) tellError(cause, join(folder, image!));
  const counts = { new: added, changed, removed, "not read": errors.length };
  const said = Object.entries(counts).flatMap(([what, n]) => n > 0 ? [`, ${n} ${what}`] : []);
  const where = index.file === undefined ? "" : ` (index: ${index.file})`;
  tell(`${index.size} pictures${said.join("")}${where}`);
  return errors.length;
}

/** A format of results. */
type Format = "text" | "json" | "csv" | "html";

const FORMATS: Readonly<Record<string, Format>> = {
  ".html": "html",
  ".jsonl": "json",
  ".csv": "csv",
};

/**
 * In which format results are wanted.
 *
 * @throws {UsageError} If in several, or in one that there is not.
 */
function formatOf({ json, csv, out }: Values<typeof PICTURE_FLAGS>): Format {
  if ([json, csv, out].filter(Boolean).length > 1) {
    throw new UsageError("Options --json, --csv and --out exclude each other");
  }
  if (out === undefined) return json ? "json" : csv ? "csv" : "text";
  const format = FORMATS[extname(out).toLowerCase()];
  if (format !== undefined) return format;
  const endings = Object.keys(FORMATS).join(", ");
  throw new UsageError(`Option --out needs a file ending in ${endings}: found "${out}"`);
}

/** Results in each format. */
export interface Results {
  /** Lines. */
  readonly text: readonly string[];
  /** An object for each line of JSON. */
  readonly records: readonly object[];
  /** Rows; the first is the head. */
  readonly rows: readonly (readonly (string | number)[])[];
  readonly page: () => Promise<string>;
}

/** Prints results, or writes them to `--out`. */
export async function giveResults(
  { text, records, rows, page }: Results,
  options: Values<typeof PICTURE_FLAGS>,
): Promise<void> {
  const { out } = options, format = formatOf(options);
  if (out === undefined) {
    if (format === "json") records.forEach(printJson);
    else if (format === "csv") printCsv(csvOf(rows));
    else if (text.length > 0) print(text);
    return;
  }
  const contents = format === "html"
    ? await page()
    : format === "csv"
    ? csvOf(rows)
    : records.map((record) => visibleJson(record) + "\n").join("");
  await writeWhole(out, contents);
  tell(`Written to ${out}`);
}

function csvOf(rows: Results["rows"]): string {
  return stringify(
    rows.map((row) => row.map((cell) => typeof cell === "string" ? csvCell(cell) : cell)),
  );
}

/** `0.987`: 1 only of what is the same. */
export function similarityText(similarity: number): string {
  return (Math.floor(similarity * 1000) / 1000).toFixed(3);
}

/** `640x480, 80 kB` */
export function sizeText(
  { width, height, bytes }: { width: number; height: number; bytes: number },
): string {
  const size = bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  return `${width}x${height}, ${size}`;
}

/** Rounded as far as it means something. */
export function rounded(similarity: number): number {
  return Math.round(similarity * 1e4) / 1e4;
}

/** Where a click on a page leads: from its folder to a picture, both paths of this machine. */
export function hrefOf(path: string, out: string | undefined): string {
  const from = relative(join(out ?? ".", ".."), path);
  return from.split(/[/\\]/).map(encodeURIComponent).join("/");
}
