/** Where models that were pulled are kept: one folder of model files. */

import { CACHE_DIR, readVariable } from "../environment.ts";
import {
  describePath,
  environmentVariable,
  isGranted,
  listFolder,
  NotFound,
  remove,
} from "../platform.ts";
import { withLock } from "./lock.ts";

/** The variables that tell where it is. */
export const CACHE_VARIABLES: readonly string[] = [
  CACHE_DIR,
  "HOME",
  "USERPROFILE",
  "XDG_CACHE_HOME",
  "LOCALAPPDATA",
];

/** The folder: `VGG16_CACHE_DIR`, or `edge-vgg16` in the user's folder for caches, if there is one. */
export function userCacheDir(): string | undefined {
  const chosen = readVariable(CACHE_DIR);
  if (chosen) return chosen;
  const home = environmentVariable("HOME") || environmentVariable("USERPROFILE");
  const base = environmentVariable("XDG_CACHE_HOME") || environmentVariable("LOCALAPPDATA") ||
    (home ? `${home}/.cache` : undefined);
  return base && `${base}/edge-vgg16`;
}

/** The same folder. @throws {TypeError} If there is none. */
export function defaultCacheDir(): string {
  const folder = userCacheDir();
  if (folder !== undefined) return folder;
  throw new TypeError("No folder for pulled models is known: set VGG16_CACHE_DIR or cacheDir");
}

/** Whether the program already has the permissions to find it: this never asks for one. */
export function mayKnowCacheDir(): boolean {
  try {
    return CACHE_VARIABLES.every((variable) => isGranted({ name: "env", variable }));
  } catch {
    return false; // There is no such thing as permissions.
  }
}

/** The folder, if the program already has the permissions to find it, and there is one. */
export function knownCacheDir(): string | undefined {
  return mayKnowCacheDir() ? userCacheDir() : undefined;
}

/** The folder, if the program may also read and write it. */
export function permittedCacheDir(): string | undefined {
  const path = knownCacheDir(), names = ["read", "write"] as const;
  const mayUse = path !== undefined && names.every((name) => isGranted({ name, path }));
  return mayUse ? path : undefined;
}

/** The model file of a catalog id. */
export function cachedModelPath(id: string, cacheDir: string = defaultCacheDir()): string {
  return `${cacheDir}/${id}.safetensors`;
}

/** Whether a file exists. */
export async function exists(path: string): Promise<boolean> {
  try {
    return (await describePath(path)).isFile;
  } catch (error) {
    if (error instanceof NotFound) return false;
    throw error;
  }
}

/**
 * Removes a model, and what pulls of it left; the lock stays, as others may wait for it.
 * Without @std/path, which asks for `process`, for which Deno takes 18 ms, and every classifier loads this
 * module.
 *
 * @returns Whether there was anything.
 */
export async function removeModel(
  id: string,
  cacheDir: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const model = `${id}.safetensors`;
  try {
    return await withModelLock(id, cacheDir, signal, async () => {
      let count = 0;
      for await (const { name } of listFolder(cacheDir)) {
        if (name !== model && !name.startsWith(`${model}.`)) continue;
        await remove(`${cacheDir}/${name}`);
        count++;
      }
      return count > 0;
    });
  } catch (error) {
    if (error instanceof NotFound) return false;
    throw error;
  }
}

/**
 * Does with the files of a model what only one process at a time may do. The others wait.
 *
 * @throws {Deno.errors.NotFound} If there is no such folder.
 */
export async function withModelLock<T>(
  id: string,
  cacheDir: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  return await withLock(`${cacheDir}/${id}.lock`, signal, work);
}
