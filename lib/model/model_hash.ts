/** What tells the numbers of one model from those of another. */

import { hashParts } from "../io/hash.ts";
import type { Model } from "./model.ts";

/**
 * SHA-256 of whatever a model computes with, in hex: of its file's header, which has the hashes of all weights, or,
 * where it was made in memory, of the weights themselves, which are streamed once. Scales and biases count in any
 * case, as a copy of an opened model may have others.
 *
 * @param sha256 That of the file that the numbers are from. Default: the model's own.
 */
export function modelHash(
  model: Pick<Model, "sha256" | "parameters" | "weights">,
  { sha256 = model.sha256, signal }: {
    readonly sha256?: string | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<string> {
  return hashParts(partsOf(model, sha256, signal));
}

async function* partsOf(
  model: Pick<Model, "parameters" | "weights">,
  sha256: string | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  yield encoder.encode(sha256 ?? "weights");
  for (const { name, scale, bias } of model.parameters) {
    yield encoder.encode(name);
    for (const values of [scale, bias]) yield bytesOf(values);
  }
  if (sha256 !== undefined) return;
  // Layers and outputs come in order, however they are cut into pieces.
  for await (const { data } of model.weights({ signal })) yield bytesOf(data);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
