/** Unpacks what deflate has compressed within a file. */

import { concat } from "@std/bytes/concat";
import { CheckpointFormatError } from "../../errors.ts";
import { type ByteSource, BytesSource } from "../../io/byte_source.ts";
import { spool } from "../../io/spool.ts";

/** Compressed bytes in a file. */
export interface Deflated {
  readonly source: ByteSource;
  readonly begin: number;
  /** How many they are. */
  readonly length: number;
  /** `"deflate"` has zlib's header and checksum. */
  readonly format: "deflate-raw" | "deflate";
  /** What to call them in messages. */
  readonly name: string;
}

/** What is unpacked is kept in memory up to this size, more in a temporary file. */
const MAX_IN_MEMORY = 16 << 20;
const PART_BYTES = 1 << 18;

/**
 * Unpacks all of it.
 *
 * @param size The bytes that it must be, which have been compared with a budget.
 * @throws {CheckpointFormatError} If it is damaged, or of another size.
 */
export async function unpack(deflated: Deflated, size: number): Promise<ByteSource> {
  const { name } = deflated;
  const parts = exactly(deflated, size);
  if (size > MAX_IN_MEMORY) return await spool(parts, name);
  return new BytesSource(concat(await Array.fromAsync(parts)), name);
}

async function* exactly(deflated: Deflated, size: number): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const part of inflate(deflated)) {
    total += part.length;
    if (total > size) break;
    yield part;
  }
  if (total !== size) fail(deflated, `must have ${size} bytes: found ${total}`);
}

/** Gives what it unpacks, a part after the other, as long as somebody asks. */
export async function* inflate(deflated: Deflated): AsyncGenerator<Uint8Array> {
  const { source, begin, length, format } = deflated;
  let offset = begin;
  const compressed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const left = begin + length - offset;
      if (left === 0) return controller.close();
      const part = new Uint8Array(Math.min(PART_BYTES, left));
      await source.read(offset, part);
      offset += part.length;
      controller.enqueue(part);
    },
  });
  try {
    yield* compressed.pipeThrough(new DecompressionStream(format));
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    fail(deflated, `cannot be decompressed (${cause.message})`);
  }
}

function fail({ source, begin, name }: Deflated, message: string): never {
  const text = `${source.name} is damaged: ${name} ${message}`;
  throw new CheckpointFormatError(text, { file: source.name, offset: begin });
}
