/** Operands of a command -> the images that they name. */

import { describePath } from "../platform.ts";
import { IMAGE_EXTENSIONS } from "../image/image.ts";
import { kindsOf, picturesBelow } from "../input/picture_files.ts";
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
 * Expands directories to the image files in them and below, sorted by name, also those that cannot be
 * read; everything else (a file, a URL, `-` for standard input) stays what it is, but that no path is taken
 * for a `data:` or `file:` URL. Links to directories are not followed. URLs are called by what may be shown
 * of them.
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
    const { pictures, others } = await picturesBelow(operand);
    if (pictures.length === 0) {
      const endings = [...IMAGE_EXTENSIONS].join(" ");
      throw new UsageError(
        `${operand} is a directory without images: expected files ending in ${endings}, or ` +
          `beginning as these do, found ${others.length === 0 ? "none at all" : kindsOf(others)}`,
      );
    }
    for (const picture of pictures) inputs.push(inputAt(picture));
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
