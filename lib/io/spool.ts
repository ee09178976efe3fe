/** What arrives from front to back goes to a temporary file, to be read in any order. */

import { makeTemporaryFile } from "../platform.ts";
import { type ByteSource, checkRange } from "./byte_source.ts";

/**
 * Writes everything to a temporary file that is gone when its source is closed, or the process ends.
 *
 * @param onPart Is told after each part how many bytes there are.
 */
export async function spool(
  parts: AsyncIterable<Uint8Array>,
  name: string,
  onPart: (size: number) => void = () => {},
): Promise<ByteSource> {
  const file = makeTemporaryFile();
  let size = 0;
  try {
    for await (const part of parts) {
      file.write(size, part);
      size += part.length;
      onPart(size);
    }
  } catch (error) {
    file.close();
    throw error;
  }
  const source: ByteSource = {
    name,
    size,
    read(offset, into): void {
      checkRange(source, offset, into.length);
      file.read(offset, into);
    },
    close: () => file.close(),
  };
  return source;
}
