/**
 * What arrives from front to back goes to a temporary file, to be read in any order.
 *
 * @module
 */

import { type ByteSource, FileSource } from "./byte_source.ts";

/** Writes everything to a temporary file, which is removed when its source is closed. */
export async function spool(parts: AsyncIterable<Uint8Array>, name: string): Promise<ByteSource> {
  const path = await Deno.makeTempFile({ prefix: "vgg16-", suffix: ".tmp" });
  let source: FileSource;
  try {
    using file = Deno.openSync(path, { write: true });
    for await (const part of parts) {
      for (let done = 0; done < part.length;) done += file.writeSync(part.subarray(done));
    }
    source = new FileSource(path, name);
  } catch (error) {
    await Deno.remove(path);
    throw error;
  }
  return {
    name,
    size: source.size,
    read: (offset, into) => source.read(offset, into),
    close(): void {
      source.close();
      Deno.removeSync(path);
    },
  };
}
