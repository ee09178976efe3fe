/** The state of a training, in a directory. */

import { join } from "@std/path/join";
import { writeWhole } from "../io/atomic_file.ts";
import { sha256 } from "../io/sha256.ts";
import { NotFound, OpenFile, readText } from "../platform.ts";
import { removeOthers } from "./directory.ts";
import type { StateStore } from "./state.ts";
import type { ArrayStore } from "./tuning_state.ts";

/** Opens the state of a training in a directory, a line after its hash; those of others are removed. */
export async function stateFile(directory: string, key: string): Promise<StateStore> {
  await removeOthers(directory, "training", key);
  const path = join(directory, `training-${key}.json`);
  return {
    async load() {
      const [hash, text = ""] = (await readIfThere(path))?.split("\n") ?? [];
      // What a system leaves that fails is no state.
      return hash === await sha256(text) ? text : undefined;
    },
    save: async (text) => writeWhole(path, `${await sha256(text)}\n${text}`),
  };
}

/** As {@linkcode stateFile}, of bytes. */
export async function arrayFile(directory: string, key: string): Promise<ArrayStore> {
  await removeOthers(directory, "training", key);
  const path = join(directory, `training-${key}.bin`);
  return {
    load: () => {
      using file = new OpenFile(path, "change");
      const { size } = file.describe();
      return Promise.resolve(size === 0 ? undefined : readWhole(file, size));
    },
    save: (bytes) => writeWhole(path, bytes),
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readText(path);
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}

function readWhole(file: OpenFile, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.read(0, bytes);
  return bytes;
}
