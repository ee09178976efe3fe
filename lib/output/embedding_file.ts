/** Embeddings as files that other tools read. */

import { concat } from "@std/bytes/concat";
import type { Embedding } from "./embedding.ts";
import { encodeSafetensorsHeader } from "../model/safetensors.ts";

export interface NamedEmbedding {
  readonly file: string;
  readonly embedding: Embedding;
}

/**
 * A NumPy file (NEP 1, version 1.0): float32, `[N, …shape]`, C order.
 *
 * @throws {RangeError} If there are no embeddings, or they differ in shape.
 */
export function encodeNpy(embeddings: readonly NamedEmbedding[]): Uint8Array<ArrayBuffer> {
  const { shape } = stacked(embeddings);
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  // Magic, version and length take 10 bytes; the data begin at a multiple of 64.
  const length = Math.ceil((10 + header.length + 1) / 64) * 64 - 10;
  const start = new Uint8Array(10 + length);
  start.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, length & 255, length >> 8]);
  start.set(new TextEncoder().encode(header.padEnd(length - 1) + "\n"), 10);
  return withData(start, embeddings);
}

/**
 * A safetensors file: the tensor `embeddings`, float32, `[N, …shape]`; its metadata hold the layer, and
 * the images' names as a JSON list.
 *
 * @throws {RangeError} If there are no embeddings, or they differ in shape.
 */
export function encodeEmbeddings(embeddings: readonly NamedEmbedding[]): Uint8Array<ArrayBuffer> {
  const { layer, shape } = stacked(embeddings);
  const files = JSON.stringify(embeddings.map(({ file }) => file));
  const metadata = { layer, files };
  const tensor = { name: "embeddings", dtype: "F32" as const, shape };
  return withData(encodeSafetensorsHeader([tensor], metadata), embeddings);
}

/** What a line of JSON says of an image: `file`, `layer`, `shape`, `data`. */
export function embeddingRecord({ file, embedding }: NamedEmbedding): Record<string, unknown> {
  const { layer, shape, data } = embedding;
  return { file, layer, shape, data: [...data] };
}

/** The layer that all are of, and their shape as one tensor. */
function stacked(embeddings: readonly NamedEmbedding[]): { layer: string; shape: number[] } {
  const [first] = embeddings;
  if (first === undefined) throw new RangeError("There are no embeddings to write");
  const { layer, shape } = first.embedding;
  const other = embeddings.find(({ embedding }) => String(embedding.shape) !== String(shape));
  if (other !== undefined) {
    throw new RangeError(
      `Embeddings of one shape go into a file: found [${shape}], and [${other.embedding.shape}] of ${other.file}`,
    );
  }
  return { layer, shape: [embeddings.length, ...shape] };
}

/** Appends float32 values, whose low byte is first on every machine that Deno runs on. */
function withData(
  start: Uint8Array<ArrayBuffer>,
  embeddings: readonly NamedEmbedding[],
): Uint8Array<ArrayBuffer> {
  const parts = embeddings.map(({ embedding: { data } }) =>
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  );
  return concat([start, ...parts]);
}
