/**
 * The file of an index: safetensors, so that other tools read it. Tensors are `pictures`, lines of JSON as
 * bytes; `look` and `meaning`, `[N, D]`, and `layout`; and `sha256`, that of all bytes before it.
 */

import { needed } from "../system/builtin.ts";
import { toHex } from "../encoding.ts";
import type { Hash } from "node:crypto";
import { isVggError, SearchIndexError } from "../errors.ts";
import { AtomicFile } from "../io/atomic_file.ts";
import {
  encodeSafetensorsHeader,
  readSafetensorsHeader,
  type SafetensorsHeader,
  type TensorRange,
} from "../model/safetensors.ts";
import { kindOf, NotFound, OpenFile } from "../platform.ts";
import { takeTurn } from "../threads/turn.ts";
import type { Description } from "./describe.ts";
import { type Layout, PARTS } from "./layout.ts";
import { type Picture, Pictures } from "./pictures.ts";
import type { Vectors } from "./vectors.ts";

/** What vectors are made by: those of another key are never compared with them. */
export interface IndexKey {
  /** Name of the model, for messages; it says nothing of its weights. */
  readonly model: string;
  /** SHA-256 of what its layers are and how images become their input. */
  readonly network: string;
  /** `"int8"`, or `"float"` and the backend, whose rounding is its own. */
  readonly precision: string;
}

/** What a line of `pictures` says. */
type Line = Picture & Pick<Description, "content" | "certainty"> & Pick<Layout, "plain">;

/** Bytes that are read and hashed at a time. */
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
  lengths: { readonly look: number; readonly meaning: number },
  signal?: AbortSignal,
): Promise<Pictures | undefined> {
  let file: OpenFile;
  try {
    // Asked first: opening a pipe that nobody writes to does not end.
    if (kindOf(path) !== "file") throw notAnIndex(path);
    file = new OpenFile(path);
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
  using _file = file;
  const { tensors, bytes } = await readHeader(file, path, key);
  const shapes = [lengths.look, lengths.meaning, PARTS].map((length, n) => {
    const [rows, values] = tensors[n + 1]!.shape;
    return values === length ? rows : undefined;
  });
  const hash = needed("node:crypto").createHash("sha256").update(bytes);
  const [lines, look, meaning, layout] = [
    await readHashed(file, tensors[0]!, hash, path, signal),
    await readHashed(file, tensors[1]!, hash, path, signal),
    await readHashed(file, tensors[2]!, hash, path, signal),
    await readHashed(file, tensors[3]!, hash, path, signal),
  ] as const;
  const expected = new Uint8Array(32);
  file.read(tensors[4]!.begin, expected);
  if (hash.digest("hex") !== toHex(expected)) throw damaged(path, "its hash is another");
  const pictures = new Pictures(lengths);
  const row = (of: Uint8Array<ArrayBuffer>, n: number, length: number): Int8Array =>
    new Int8Array(of.buffer, n * length, length);
  // Written by this library: the hash holds.
  const all = new TextDecoder().decode(lines).split("\n").slice(0, -1);
  if (shapes.some((rows) => rows !== all.length)) throw damaged(path, "its tensors differ in rows");
  all.forEach((line, n) => {
    const { content, certainty, plain, ...picture }: Line = JSON.parse(line);
    pictures.put(picture, {
      look: row(look, n, lengths.look),
      meaning: row(meaning, n, lengths.meaning),
      content,
      certainty,
      layout: { parts: layout.slice(n * PARTS, (n + 1) * PARTS), plain },
    });
  });
  return pictures;
}

/** Writes an index: the whole of it, or nothing. */
export async function writeIndex(path: string, key: IndexKey, pictures: Pictures): Promise<void> {
  const { count, look, meaning } = pictures;
  const positions = Array.from({ length: count }, (_, n) => n);
  const lines = new TextEncoder().encode(
    positions.map((n) => {
      const { content, certainty, layout: { plain } } = pictures.describe(n);
      return JSON.stringify({ ...pictures.at(n), content, certainty, plain } satisfies Line) + "\n";
    }).join(""),
  );
  const header = encodeSafetensorsHeader([
    { name: "pictures", dtype: "U8", shape: [lines.length] },
    { name: "look", dtype: "I8", shape: [count, look.length] },
    { name: "meaning", dtype: "I8", shape: [count, meaning.length] },
    { name: "layout", dtype: "U8", shape: [count, PARTS] },
    { name: "sha256", dtype: "U8", shape: [32] },
  ], { format: FORMAT, version: VERSION, ...key });
  const hash = needed("node:crypto").createHash("sha256");
  using file = await AtomicFile.create(path);
  let end = 0;
  const write = (bytes: Uint8Array): void => {
    hash.update(bytes);
    file.write(end, bytes);
    end += bytes.length;
  };
  // Nothing is awaited in between: all is of one moment.
  write(header);
  write(lines);
  for (const vectors of [look, meaning]) {
    for (let first = 0; first < count; first += ROWS) write(rowsOf(vectors, first, count));
  }
  for (const n of positions) write(pictures.describe(n).layout.parts);
  file.write(end, hash.digest());
  await file.commit();
}

/** Rows that are written at a time. */
const ROWS = 1024;

function rowsOf(vectors: Vectors, first: number, count: number): Uint8Array {
  const rows = new Int8Array(Math.min(ROWS, count - first) * vectors.length);
  for (let at = 0; at < rows.length; at += vectors.length) {
    rows.set(vectors.row(first + at / vectors.length), at);
  }
  return new Uint8Array(rows.buffer);
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
  if (
    metadata.format !== FORMAT || names !== "pictures U8,look I8,meaning I8,layout U8,sha256 U8"
  ) {
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
  const what = other === "version"
    ? "by another version of this library"
    : other === "network" || other === "model"
    ? `with the layers of another model, ${found.model}`
    : `with ${other} ${found[other]} instead of ${expected[other]}`;
  throw new SearchIndexError(
    `The index ${path} was made ${what}: name another file, or make it anew with rebuild (--rebuild)`,
    { code: "index-other", file: path },
  );
}

/** Reads a tensor's bytes, and hashes them on the way. */
async function readHashed(
  file: OpenFile,
  { begin, end }: TensorRange,
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
