/** Tables of embeddings as files that other tools read, in parts of about 1 MiB. */

import { encodeSafetensorsHeader } from "../model/safetensors.ts";
import type { Embedding } from "./embedding.ts";

/** Embeddings of many images, one row each, of which few are in memory at a time. */
export interface EmbeddingTable {
  /** What they were made with, in words. */
  readonly settings: Readonly<Record<string, string>>;
  /** Of one embedding. */
  readonly shape: readonly number[];
  /** The image of each row. */
  readonly files: readonly string[];
  /** Why a row has no embedding, by its number. */
  readonly errors: ReadonlyMap<number, { readonly message: string }>;
  /** Reads the values of a row that has one. */
  read(row: number, into: Float32Array<ArrayBuffer>): void;
}

/** Floats that are read at a time. */
const FLOATS = 2 ** 18;

/** What a line of JSON says of an image: `file`, `layer`, `shape`, `data`. */
export function embeddingRecord(
  file: string,
  { layer, shape, data }: Embedding,
): Record<string, unknown> {
  return { file, layer, shape, data: [...data] };
}

/** Values of one row. */
export function rowLength({ shape }: Pick<EmbeddingTable, "shape">): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** A NumPy file (NEP 1, version 1.0): float32, `[N, …shape]`, C order; a row without embedding is NaN. */
export function* npyFile(table: EmbeddingTable): Generator<Uint8Array<ArrayBuffer>> {
  const shape = [table.files.length, ...table.shape].join(", ");
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape},), }`;
  // Magic, version and length take 10 bytes; the data begin at a multiple of 64.
  const length = Math.ceil((10 + header.length + 1) / 64) * 64 - 10;
  const start = new Uint8Array(10 + length);
  start.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, length & 255, length >> 8]);
  start.set(new TextEncoder().encode(header.padEnd(length - 1) + "\n"), 10);
  yield start;
  yield* rowBytes(table);
}

/**
 * A safetensors file: the tensor `embeddings`, float32, `[N, …shape]`, where a row without embedding is
 * NaN. Its metadata have the settings, `files`, a JSON list, and `errors`, a JSON list of `row`, `file`
 * and `error`.
 */
export function* embeddingsFile(table: EmbeddingTable): Generator<Uint8Array<ArrayBuffer>> {
  const { settings, files, shape } = table;
  const errors = [...table.errors].map(([row, error]) => ({ row, file: files[row], error }));
  const metadata = {
    ...settings,
    files: JSON.stringify(files),
    errors: JSON.stringify(errors),
  };
  const tensor = { name: "embeddings", dtype: "F32" as const, shape: [files.length, ...shape] };
  yield encodeSafetensorsHeader([tensor], metadata);
  yield* rowBytes(table);
}

/** Some rows one after the other, `count` from `first` on. Valid until the next. */
export function* rowsOf(
  table: EmbeddingTable,
): Generator<{ first: number; count: number; data: Float32Array<ArrayBuffer> }> {
  const length = rowLength(table), many = Math.max(1, Math.floor(FLOATS / length));
  const data = new Float32Array(many * length);
  for (let first = 0; first < table.files.length; first += many) {
    const count = Math.min(many, table.files.length - first);
    for (let n = 0; n < count; n++) {
      const row = data.subarray(n * length, (n + 1) * length);
      if (table.errors.has(first + n)) row.fill(NaN);
      else table.read(first + n, row);
    }
    yield { first, count, data: data.subarray(0, count * length) };
  }
}

/** The low byte of a float is first on every machine that Deno runs on. */
function* rowBytes(table: EmbeddingTable): Generator<Uint8Array<ArrayBuffer>> {
  for (const { data } of rowsOf(table)) {
    yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
}
