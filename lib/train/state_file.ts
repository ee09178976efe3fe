/**
 * The state of a training as a file: safetensors of its numbers, and of how far it is, as JSON. The metadata have a hash
 * of all that and of what names the training.
 */

import { toHex } from "../encoding.ts";
import { join } from "@std/path/join";
import { CheckpointFormatError, ModelNotFoundError } from "../errors.ts";
import { writeParts } from "../io/atomic_file.ts";
import { FileSource } from "../io/byte_source.ts";
import { hashParts } from "../io/hash.ts";
import { encodeSafetensorsHeader, readSafetensorsHeader } from "../model/safetensors.ts";
import { removeOthers } from "./directory.ts";
import type { State, StateArrays, StateStore } from "./state.ts";

/** Bytes that are hashed, written or read together. */
const PART_BYTES = 2 ** 24;

/** Opens the state of a training in a directory; those of others are removed. */
export async function stateFile(directory: string, key: string): Promise<StateStore> {
  await removeOthers(directory, "training", key);
  const path = join(directory, `training-${key}.safetensors`);
  return {
    load: (arrays) => load(path, key, arrays),
    save: (state, arrays) => save(path, key, state, arrays),
  };
}

async function save(path: string, key: string, state: State, arrays: StateArrays): Promise<void> {
  const json = bytesOf(JSON.stringify(state));
  const parts = [...partsOf(arrays), json], sha256 = await hashParts([bytesOf(key), ...parts]);
  await writeParts(path, [headerOf(arrays, json.length, sha256), ...parts]);
}

async function load(path: string, key: string, arrays: StateArrays): Promise<State | undefined> {
  try {
    using file = new StateSource(path);
    const { metadata: { sha256 = "" }, dataStart, bytes } = await readSafetensorsHeader(file);
    const end = dataStart + partsOf(arrays).reduce((sum, { length }) => sum + length, 0);
    // What a system leaves that fails is no state. Arrays are filled only once all of it is known to be good.
    if (file.size < end || toHex(bytes) !== toHex(headerOf(arrays, file.size - end, sha256))) {
      return undefined;
    }
    if (await hashParts(file.parts(dataStart, bytesOf(key))) !== sha256) return undefined;
    let at = dataStart;
    for (const part of partsOf(arrays)) {
      file.read(at, part);
      at += part.length;
    }
    const json = new Uint8Array(file.size - end);
    file.read(end, json);
    return JSON.parse(new TextDecoder().decode(json)); // It was saved: the hash holds.
  } catch (error) {
    if (error instanceof ModelNotFoundError || error instanceof CheckpointFormatError) {
      return undefined;
    }
    throw error;
  }
}

/** The header of arrays, and of so many bytes of JSON after them. */
function headerOf(arrays: StateArrays, bytes: number, sha256: string): Uint8Array<ArrayBuffer> {
  const tensors = Object.entries(arrays)
    .map(([name, { length }]) => ({ name, dtype: "F32" as const, shape: [length] }));
  const state = { name: "state", dtype: "U8" as const, shape: [bytes] };
  return encodeSafetensorsHeader([...tensors, state], { sha256 });
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A file that is closed where it goes out of scope. */
class StateSource extends FileSource implements Disposable {
  /** Something, and the file's bytes from one on. A part is valid until the next. */
  *parts(begin: number, before: Uint8Array): Generator<Uint8Array> {
    yield before;
    const buffer = new Uint8Array(Math.min(PART_BYTES, this.size - begin));
    for (let at = begin; at < this.size; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, this.size - at));
      this.read(at, part);
      yield part;
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The memory of arrays, in parts. The low byte of a float is first on every machine that Deno runs on. */
function partsOf(arrays: StateArrays): Uint8Array[] {
  return Object.values(arrays).flatMap(({ buffer, byteOffset, byteLength }) =>
    Array.from({ length: Math.ceil(byteLength / PART_BYTES) }, (_, n) => {
      const at = n * PART_BYTES;
      return new Uint8Array(buffer, byteOffset + at, Math.min(PART_BYTES, byteLength - at));
    })
  );
}
