/** Operands of a command -> the images that they name. */

import { basename, fromFileUrl, globToRegExp, relative } from "@std/path";
import { IMAGE_EXTENSIONS } from "../image/image.ts";
import { isNamedAsPicture, kindsOf, picturesBelow } from "../input/picture_files.ts";
import { flag, type Table, text, type Values } from "../options.ts";
import { describePath, listFolder } from "../platform.ts";
import { PublicNames } from "../public_url.ts";
import { asPath, beginsAsUrl, isWebUrl } from "../urls.ts";
import { atHome } from "./home.ts";
import { isTerminal, namesIn } from "./stdin.ts";
import { UsageError } from "./usage_error.ts";

/** Which pictures commands look at. */
export const INPUT_FLAGS = {
  filesFrom: text(
    { placeholder: "FILE" },
    "Also the files, URLs and folders that FILE names, one a line; - is standard input",
  ),
  hidden: flag({}, "Also what begins with a dot, in folders"),
} satisfies Table;

/** An image that a command is given. */
export interface Input {
  /** What it is called in results and messages. No other input is called so, but for the same path. */
  readonly name: string;
  /** Its path or URL, or `-` for standard input. */
  readonly place: string;
  /** Its path below the only operand, if there is one: what is made of it is called so. Default: its name. */
  readonly below?: string | undefined;
}

/**
 * Expands directories to the image files in them and below, sorted by name, also those that cannot be
 * read, and patterns that no shell has expanded; everything else (a file, a URL, `-` for standard input) stays what
 * it is, but that no path is taken for a `data:` or `file:` URL. Links to directories are not followed. URLs are
 * called by what may be shown of them.
 *
 * @throws {UsageError} If there are no operands, a directory holds no image file, nothing has the names of a
 *   pattern, or standard input cannot be read, or not twice.
 */
export async function expandInputs(
  operands: readonly string[],
  { filesFrom, hidden }: Values<typeof INPUT_FLAGS> = {},
): Promise<Input[]> {
  const listed = filesFrom === undefined ? [] : await namesIn(filesFrom);
  const given = listed.length === 0 ? operands : operands.concat(listed);
  if (given.length === 0) {
    throw new UsageError(
      filesFrom === undefined
        ? "Expected at least one file, URL, directory or - to read"
        : `${filesFrom} names no file`,
    );
  }
  const fromStandard = [...given, filesFrom].filter((name) => name === "-").length;
  if (fromStandard > 1) throw new UsageError("Standard input can be read once: found - twice");
  if (given.includes("-") && isTerminal()) {
    throw new UsageError(
      "Standard input is this terminal: pipe a picture into the command, or name a file",
    );
  }
  const inputs: Input[] = [], names = new PublicNames();
  for (const [n, operand] of given.entries()) {
    // A list may have a million: what each leads to is seen when its turn comes.
    const isListed = n >= operands.length && given.length > 1 && isPlainPicture(operand);
    if (isListed) inputs.push({ name: operand, place: operand });
    else for (const input of await expand(operand, names, hidden)) inputs.push(input);
  }
  return given.length === 1 ? inputs : inputs.map(({ name, place }) => ({ name, place }));
}

/** Whether a text is the path of a picture by its ending, and of no pattern, URL or home. */
function isPlainPicture(text: string): boolean {
  return isNamedAsPicture(text) && !/[*?[~]/.test(text) && asPath(text) === text &&
    !beginsAsUrl(text);
}

async function expand(operand: string, names: PublicNames, hidden?: boolean): Promise<Input[]> {
  if (isWebUrl(operand)) return [alone({ name: names.name(operand), place: operand })];
  if (operand === "-") return [alone(inputAt(operand))];
  const path = asPath(/^file:\/\//i.test(operand) ? pathOf(operand) : atHome(operand));
  const kind = await kindOf(path);
  if (kind === "folder") return await picturesOf(path, hidden);
  if (kind === "other") {
    throw new UsageError(`${path} is no file: read a pipe as -, by < ${path}`);
  }
  const isPattern = /[*?[]/.test(operand) && kind === undefined;
  if (isPattern && !beginsAsUrl(path)) return (await matching(path)).map(inputAt);
  return [alone(beginsAsUrl(path) ? { name: names.name(path), place: path } : inputAt(path))];
}

/** What is in no folder that was named: its last part is enough to tell it. */
function alone(input: Input): Input {
  return { ...input, below: basename(input.name) };
}

async function picturesOf(folder: string, hidden: boolean | undefined): Promise<Input[]> {
  const { pictures, others } = await picturesBelow(folder, undefined, hidden);
  if (pictures.length > 0) {
    return pictures.map((path) => ({ ...inputAt(path), below: relative(folder, path) }));
  }
  const endings = [...IMAGE_EXTENSIONS].join(" ");
  throw new UsageError(
    `${folder} is a directory without images: expected files ending in ${endings}, or ` +
      `beginning as these do, found ${others.length === 0 ? "none at all" : kindsOf(others)}`,
  );
}

/** @throws {UsageError} If a `file:` URL is none of this machine's. */
function pathOf(url: string): string {
  try {
    return fromFileUrl(url);
  } catch {
    throw new UsageError(`Expected a path or the URL of a file of this machine: found ${url}`);
  }
}

/**
 * The files that a pattern names, in the order of code points: `photos/*.jpg`, `**` for folders of any depth.
 *
 * @throws {UsageError} If there are none.
 */
async function matching(pattern: string): Promise<string[]> {
  const parts = pattern.split("/"), first = parts.findIndex((part) => /[*?[]/.test(part));
  const wanted = globToRegExp(pattern, { extended: false, globstar: true, caseInsensitive: false });
  const found: string[] = [],
    folders = [parts.slice(0, first).join("/") || (first > 0 ? "/" : ".")];
  const deepest = parts.includes("**") ? Infinity : parts.length - first;
  for (let depth = 0, level = folders; level.length > 0 && depth < deepest; depth++) {
    const below: string[] = [];
    for (const folder of level) {
      for await (const { name, isFolder } of entriesOf(folder)) {
        if (name.startsWith(".")) continue;
        const path = folder === "." && !pattern.startsWith("./")
          ? name
          : `${folder.replace(/\/$/, "")}/${name}`;
        if (isFolder) below.push(path);
        else if (wanted.test(path)) found.push(path);
      }
    }
    level = below;
  }
  if (found.length === 0) throw new UsageError(`There is no file like ${pattern}`);
  return found.sort();
}

async function* entriesOf(folder: string): ReturnType<typeof listFolder> {
  try {
    yield* listFolder(folder);
  } catch {
    // What cannot be listed has nothing of that name.
  }
}

function inputAt(path: string): Input {
  return { name: path, place: path };
}

/** `undefined` if there is nothing, or nothing that may be read. */
async function kindOf(path: string): Promise<"folder" | "file" | "other" | undefined> {
  try {
    const { isFolder, isFile } = await describePath(path);
    return isFolder ? "folder" : isFile ? "file" : "other";
  } catch {
    // Whatever is wrong with the path is reported when it is read, beside the other files.
    return undefined;
  }
}
