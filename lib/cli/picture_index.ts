/** What `similar` and `duplicates` share: the index of a folder, and where results go. */

import { AsyncCleanup } from "../cleanup.ts";
import { isVggError } from "../errors.ts";
import { basename, extname, join, relative } from "node:path";
import { permittedCacheDir } from "../io/cache.ts";
import { sha256 } from "../io/sha256.ts";
import {
  CLASSIFIER_OPTIONS,
  completeOptions,
  pickOptions,
  RESOLVE_OPTIONS,
  type Table,
  text,
  type Values,
} from "../options.ts";
import { INDEX_OPTIONS } from "../options/search.ts";
import { describePath, NotCapable, NotFound, realPath } from "../platform.ts";
import { visibleJson } from "../report/visible.ts";
import { openIndex, type SearchIndex } from "../search/search_index.ts";
import { indexPath } from "./cache_contents.ts";
import { expandInputs, INPUT_FLAGS } from "./inputs.ts";
import { OPEN_FLAG, openPage } from "./open_page.ts";
import { checkOutputs, makeFolderOf, OUTPUT_FLAGS, writeOutput } from "./outputs.ts";
import { openModel } from "./loading.ts";
import { ProgressLine } from "./progress.ts";
import { documentHead, type Format, FORMAT_FLAGS, formatOf, tableText } from "./results.ts";
import { CLASSIFIER_FLAGS } from "./run.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { print, printText, tell, tellError } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** Options of both commands. */
export const PICTURE_FLAGS = {
  ...FORMAT_FLAGS,
  out: text(
    { placeholder: "FILE", unset: "text on standard output" },
    ".html, a page with the pictures; .json, .jsonl, .csv or .tsv",
  ),
  ...OPEN_FLAG,
  ...OUTPUT_FLAGS,
  hidden: INPUT_FLAGS.hidden,
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
  /** What decides what is found, but for a command's own options. */
  readonly settings: Settings;
  /** The picture of the index that a path leads to. */
  nameOf(path: string): Promise<string | undefined>;
  /** A picture's path. */
  pathOf(name: string): string;
  /** Pictures that could not be read. */
  readonly failed: number;
}

/**
 * Opens the index of a folder, and brings it up to date; undefined if only a list of what is read and written was
 * asked for.
 *
 * @param inputs Whatever else is read.
 * @throws {UsageError} If it is no folder, or `--out` or `--index` would replace what is read.
 */
export async function openFolder(
  command: string,
  folder: string,
  inputs: readonly string[],
  options: Values<typeof PICTURE_FLAGS>,
  signal: AbortSignal,
): Promise<Folder | undefined> {
  const { out, index: given, rebuild, model, hidden } = options;
  const { backend, precision } = CLASSIFIER_OPTIONS;
  formOf(options);
  const isFolder = await isDirectory(folder);
  if (!isFolder) {
    const found = isFolder === undefined ? "there is none at" : "found the file";
    throw new UsageError(`Expected a directory of pictures: ${found} ${folder}`);
  }
  const pictures = await expandInputs([folder], { hidden });
  const isWanted = await checkOutputs({
    reads: [...pictures.map(({ place }) => place), ...inputs, model],
    writes: out === undefined ? [] : [out],
    grows: given === undefined ? [] : [given],
  }, options);
  if (!isWanted) return undefined;
  const home = await realPath(folder);
  if (given !== undefined) await makeFolderOf(given);
  const kept = given ?? await cachedIndex(home, options);
  if (kept === undefined) {
    tell(
      "The index is not kept, as the folder for caches must not be written: name a file with --index",
    );
  }
  const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal };
  // Nobody has named the one in the cache.
  const isRebuilt = rebuild || given === undefined;
  const found = await openModel(model, pickOptions(RESOLVE_OPTIONS, wanted));
  await using stack = new AsyncCleanup();
  const opening = { ...wanted, model: found, file: kept, rebuild: isRebuilt };
  const index = stack.use(await openIndex(opening));
  const failed = await bringUpToDate(index, folder, pictures.map(({ place }) => place), signal);
  const moved = stack.move();
  return {
    ...{ index, failed },
    settings: settingsOf(
      command,
      [found],
      completeOptions({ backend, precision }, pickOptions({ backend, precision }, options)),
      {
        directory: folder,
      },
    ),
    pathOf: (name) => join(folder, name),
    async nameOf(path) {
      const real = await realPath(path).catch(() => undefined);
      const name = real && relative(home, real);
      return name !== undefined && index.has(name) ? name : undefined;
    },
    [Symbol.asyncDispose]: () => moved[Symbol.asyncDispose](),
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
  const path = indexPath(cache, basename(folder), own);
  try {
    await makeFolderOf(path);
  } catch (error) {
    if (isVggError(error) || error instanceof NotCapable) throw error;
    return undefined;
  }
  return path;
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

/** A form of results that a file may have. */
type Form = Format | "html";

const FORMS: Readonly<Record<string, Form>> = {
  ".html": "html",
  ".json": "json",
  ".jsonl": "jsonl",
  ".csv": "csv",
  ".tsv": "tsv",
};

/**
 * In which form results are wanted.
 *
 * @throws {UsageError} If in several, or in one that there is not.
 */
function formOf({ out, open, ...options }: Values<typeof PICTURE_FLAGS>): Form {
  const format = formatOf(options);
  if (out === undefined) {
    checkOpen(open, format);
    return format;
  }
  if (format !== "text") {
    throw new UsageError(`The name of --out says what is written: leave out --${format}`);
  }
  const form = FORMS[extname(out).toLowerCase()];
  checkOpen(open, form);
  if (form !== undefined) return form;
  const endings = Object.keys(FORMS).join(", ");
  throw new UsageError(`Option --out needs a file ending in ${endings}: found "${out}"`);
}

/** @throws {UsageError} If a page is to be shown, and none is written. */
function checkOpen(isShown: boolean | undefined, form: Form | undefined): void {
  if (!isShown || form === "html") return;
  throw new UsageError("Option --open needs --out with a name in .html");
}

/** Results in each form. */
export interface Found {
  /** What made them. */
  readonly settings: Settings;
  /** Lines. */
  readonly text: readonly string[];
  /** An object of JSON for each. */
  readonly records: readonly object[];
  /** Rows; the first is the head. */
  readonly rows: readonly (readonly (string | number)[])[];
  readonly page: () => Promise<string>;
}

/** Prints results, or writes them to `--out`. */
export async function giveResults(
  { settings, text, records, rows, page }: Found,
  options: Values<typeof PICTURE_FLAGS>,
): Promise<void> {
  const { out, open } = options, form = formOf(options);
  const contents = (): string => {
    const lines = records.map(visibleJson);
    switch (form) {
      case "json":
        return `${documentHead(settings)}\n${lines.join(",\n")}\n]}\n`;
      case "jsonl":
        return [visibleJson(settings), ...lines].map((line) => line + "\n").join("");
      default:
        return tableText(rows, form);
    }
  };
  if (out === undefined) {
    if (form !== "text") printText(contents());
    else if (text.length > 0) print(text);
    return;
  }
  await writeOutput(out, form === "html" ? await page() : contents(), options.force);
  tell(`Written to ${out}`);
  if (open) await openPage(out);
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
