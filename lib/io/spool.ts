/**
 * What arrives from front to back goes to a temporary file, to be read in any order.
 *
 * @module
 */

import { makeTemporaryFile, OpenFile, remove, removeSync } from "../platform.ts";
import { type ByteSource, FileSource } from "./byte_source.ts";

/** Writes everything to a temporary file, which is removed when its source is closed. */
export async function spool(parts: AsyncIterable<Uint8Array>, name: string): Promise<ByteSource> {
  const path = await makeTemporaryFile();
  let source: FileSource;
  try {
    using file = new OpenFile(path, "change");
    let size = 0;
    for await (const part of parts) {
      file.write(size, part);
      size += part.length;
    }
    source = new FileSource(path, name);
  } catch (error) {
    await remove(path);
    throw error;
  }
  return {
    name,
    size: source.size,
    read: (offset, into) => source.read(offset, into),
    close(): void {
      source.close();
      removeSync(path);
    },
  };
}
