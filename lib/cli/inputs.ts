/** Operands of a command -> the images that they name. */

import { extname, join } from "node:path";
import { describePath, listFolder } from "../platform.ts";
import { IMAGE_EXTENSIONS } from "../image/image.ts";
import { PublicNames } from "../public_url.ts";
import { asPath, beginsAsUrl, isWebUrl } from "../urls.ts";
import { UsageError } from "./usage_error.ts";

/** An image that a command is given. */
export interface Input {
  /** What it is called in results and messages. No other input is called so, but for the same path. */
  readonly name: string;
  /** Its path or URL, or `-` for standard input. */
  readonly place: string;
}

/**
 * Expands directories to the image files in them and below, sorted by name; everything else (a file, a
 * URL, `-` for standard input) stays what it is, but that no path is taken for a `data:` or `file:` URL.
 * Links to directories are not followed. URLs are called by what may be shown of them.
 *
 * @throws {UsageError} If there are no operands, or a directory holds no image file.
 */
export async function expandInputs(operands: readonly string[]): Promise<Input[]> {
  if (operands.length === 0) {
    throw new UsageError("Expected at least one file, URL, directory or - to read");
  }
  const inputs: Input[] = [];
  const names = new PublicNames();
  for (const operand of operands) {
    if (isWebUrl(operand)) {
      inputs.push({ name: names.name(operand), place: operand });
      continue;
    }
    if (operand === "-" || !await isDirectory(operand)) {
      const path = asPath(operand);
      inputs.push(beginsAsUrl(path) ? { name: names.name(path), place: path } : inputAt(path));
      continue;
    }
    const found = await imagesBelow(operand);
    if (found.length === 0) {
      const endings = [...IMAGE_EXTENSIONS].join(" ");
      throw new UsageError(
        `${operand} is a directory without images: expected files ending in ${endings}`,
      );
    }
    inputs.push(...found.map(inputAt));
  }
  return inputs;
}

function inputAt(path: string): Input {
  return { name: path, place: path };
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await describePath(path)).isFolder;
  } catch {
    // Whatever is wrong with the path is reported when it is read, beside the other files.
    return false;
  }
}

async function imagesBelow(directory: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isFile, isFolder, isLink } of listFolder(directory)) {
    const path = asPath(join(directory, name));
    if (isFolder) files.push(...await imagesBelow(path));
    else if ((isFile || isLink) && IMAGE_EXTENSIONS.has(extname(name).toLowerCase())) {
      files.push(path);
    }
  }
  return files.sort();
}
