/** The state of a fine-tuning after an epoch, as bytes from which a later run goes on. */

import { concat } from "@std/bytes/concat";
import type { EpochMetrics } from "../progress.ts";
import type { AdamState } from "./adam.ts";

/** Where the bytes are kept. */
export interface ArrayStore {
  /** What an earlier run kept. */
  load(): Promise<Uint8Array<ArrayBuffer> | undefined>;
  save(bytes: Uint8Array): Promise<void>;
}

/** How far it is. */
export interface TuningState extends AdamState {
  epoch: number;
  /** Updates of all epochs. */
  updates: number;
  bestEpoch: number;
  /** On the held pictures, of the best epoch. */
  balancedAccuracy: number;
  crossEntropy: number;
  history: EpochMetrics[];
  /** Values of the best epoch. */
  readonly best: Float32Array;
}

const ARRAYS = ["value", "first", "second", "best"] as const;

/**
 * The state that was kept, with `value` itself as its values; undefined if there is none.
 *
 * The bytes are the length of a JSON text in 32 bits, that text, and the arrays in float32, all little-endian.
 */
export async function restoreTuning(
  store: ArrayStore | undefined,
  value: Float32Array,
): Promise<TuningState | undefined> {
  const bytes = await store?.load();
  if (bytes === undefined) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const known = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const arrays = ARRAYS.map((_, n) => {
    const at = 4 + length + 4 * n * value.length;
    return new Float32Array(bytes.slice(at, at + 4 * value.length).buffer);
  });
  const [kept, first, second, best] = arrays as [...Float32Array[], Float32Array];
  value.set(kept!);
  return { ...known, value, first, second, best };
}

/** Keeps a state. */
export async function saveTuning(store: ArrayStore | undefined, state: TuningState): Promise<void> {
  const { value, first, second, best, ...known } = state;
  const text = new TextEncoder().encode(JSON.stringify(known));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, text.length, true);
  const arrays = [value, first, second, best]
    .map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength));
  await store?.save(concat([length, text, ...arrays]));
}
