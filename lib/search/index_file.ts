/**
 * The file of an index: safetensors, so that other tools read it. Tensors are `pictures`, lines of JSON as
 * bytes; `vectors`, `[N, parts, D]`; and `sha256`, that of all bytes before it.
 */

import { createHash, type Hash } from "node:crypto";
import { isVggError, SearchIndexError } from "../errors.ts";
import { AtomicFile } from "../io/atomic_file.ts";
import {
  encodeSafetensorsHeader,
  readSafetensorsHeader,
  type SafetensorsHeader,
  type TensorRange,
} from "../model/safetensors.ts";
import { NotFound, OpenFile } from "../platform.ts";
import { takeTurn } from "../threads/turn.ts";
import { type Picture, Pictures } from "./pictures.ts";

/** What vectors are made by: those of another key are never compared with them. */
export interface IndexKey {
  /** Name of the model, for messages; it says nothing of its weights. */
  readonly model: string;
  /** SHA-256 of what its layers are and how images become their input. */
  readonly network: string;
  /** `"look"` or `"meaning"`. */
  readonly by: string;
  /** What vectors are made of, as JSON. */
  readonly recipe: string;
  /** `"int8"`, or `"float"` and the backend, whose rounding is its own. */
  readonly precision: string;
}

/** Bytes that are read, hashed and written at a time. */
const PIECE = 2 ** 20;
/** What the file says that it is, and in which version. */
const FORMAT = "@edge/vgg16 search index", VERSION = "1";

/**
 * Reads an index.
 *
 * @returns `undefined` if there is no such file.
 * @throws {SearchIndexError} If it is none, is damaged, or is of another key.
 */
export async function readIndex(
  path: string,
  key: IndexKey,
  length: number,
  parts: number,
  signal?: AbortSignal,
): Promise<Pictures | undefined> {
  let file: OpenFile;
  try {
    file = new OpenFile(path);
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
  using _file = file;
  const { dataStart, tensors, bytes } = await readHeader(file, path, key);
  const [lines, vectors, sum] = tensors as [TensorRange, TensorRange, TensorRange];
  const count = (vectors.end - vectors.begin) / (parts * length);
  const pictures = new Pictures(length, parts, count);
  const hash = createHash("sha256").update(bytes);
  const text = await readHashed(file, dataStart, lines.end, hash, path, signal);
  const rows = await readHashed(file, vectors.begin, vectors.end, hash, path, signal);
  const expected = new Uint8Array(32);
  file.read(sum.begin, expected);
  if (hash.digest("hex") !== expected.toHex()) throw damaged(path, "its hash is another");
  const all = new TextDecoder().decode(text).split("\n").slice(0, -1);
  if (all.length !== count) {
    throw damaged(path, `it has ${count} vectors of ${all.length} pictures`);
  }
  const values = new Int8Array(rows.buffer), size = parts * length;
  // Written by this library: the hash holds.
  all.forEach((line, n) =>
    pictures.put(JSON.parse(line) as Picture, values.subarray(n * size, (n + 1) * size))
  );
  return pictures;
}

/** Writes an index: the whole of it, or nothing. */
export async function writeIndex(path: string, key: IndexKey, pictures: Pictures): Promise<void> {
  const { count, parts, length } = pictures;
  const lines = new TextEncoder().encode(
    Array.from({ length: count }, (_, n) => JSON.stringify(pictures.at(n)) + "\n").join(""),
  );
  const header = encodeSafetensorsHeader([
    { name: "pictures", dtype: "U8", shape: [lines.length] },
    { name: "vectors", dtype: "I8", shape: [count, parts, length] },
    { name: "sha256", dtype: "U8", shape: [32] },
  ], { format: FORMAT, version: VERSION, ...key });
  const { vectors } = pictures;
  const rows = new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.length);
  const hash = createHash("sha256");
  using file = await AtomicFile.create(path);
  let end = 0;
  // Nothing is awaited in between: the vectors are those of one moment.
  for (const part of [header, lines, rows]) {
    for (let at = 0; at < part.length; at += PIECE) {
      const piece = part.subarray(at, at + PIECE);
      hash.update(piece);
      file.write(end, piece);
      end += piece.length;
    }
  }
  file.write(end, hash.digest());
  await file.commit();
}

async function readHeader(
  file: OpenFile,
  path: string,
  key: IndexKey,
): Promise<SafetensorsHeader> {
  const { size } = file.describe();
  const source = {
    ...{ name: path, size },
    read: (offset: number, into: Uint8Array) => void file.read(offset, into),
    close: () => {},
  };
  let header: SafetensorsHeader;
  try {
    header = await readSafetensorsHeader(source);
  } catch (cause) {
    if (!isVggError(cause)) throw cause;
    throw notAnIndex(path, cause);
  }
  const { metadata, tensors } = header;
  const names = tensors.map(({ name, dtype }) => `${name} ${dtype}`).join();
  if (metadata.format !== FORMAT || names !== "pictures U8,vectors I8,sha256 U8") {
    throw notAnIndex(path);
  }
  checkKey(path, metadata, { version: VERSION, ...key });
  return header;
}

function checkKey(
  path: string,
  found: Readonly<Record<string, string>>,
  expected: Readonly<Record<string, string>>,
): void {
  const other = Object.keys(expected).find((name) => found[name] !== expected[name]);
  // A model may have another name.
  if (other === undefined || other === "model" && found.network === expected.network) return;
  const what = other === "recipe" || other === "version"
    ? "by another version of this library"
    : other === "network" || other === "model"
    ? `with the layers of another model, ${found.model}`
    : `with ${other} ${found[other]} instead of ${expected[other]}`;
  throw new SearchIndexError(
    `The index ${path} was made ${what}: name another file, or make it anew with rebuild (--rebuild)`,
    { code: "index-other", file: path },
  );
}

/** Reads bytes up to `end`, and hashes them on the way. */
async function readHashed(
  file: OpenFile,
  begin: number,
  end: number,
  hash: Hash,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(end - begin);
  for (let at = 0; at < bytes.length; at += PIECE) {
    await takeTurn(signal);
    const piece = bytes.subarray(at, at + PIECE);
    if (file.read(begin + at, piece) < piece.length) throw damaged(path, "it ends early");
    hash.update(piece);
  }
  return bytes;
}

function notAnIndex(path: string, cause?: unknown): SearchIndexError {
  return new SearchIndexError(
    `Expected ${path} to be an index of pictures: it is another file, or a damaged one. Name another ` +
      "file, or remove it",
    { file: path, cause },
  );
}

function damaged(path: string, what: string): SearchIndexError {
  return new SearchIndexError(
    `The index ${path} is damaged, as ${what}: make it anew with rebuild (--rebuild), or remove it`,
    { code: "index-damaged", file: path },
  );
}
