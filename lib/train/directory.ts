/** The directory in which a fit keeps what takes long, so that a run that was interrupted goes on. */

import { join } from "@std/path/join";
import { openLocked } from "../io/lock.ts";
import { listFolder, makeFolder, remove } from "../platform.ts";

/**
 * Makes a directory, and keeps other fits out of it until it is disposed: rows of one would land under the
 * labels of the other.
 *
 * @throws {Error} If another fit has it.
 */
export async function takeDirectory(
  directory: string | undefined,
): Promise<Disposable | undefined> {
  if (directory === undefined) return undefined;
  await makeFolder(directory);
  return await openLocked(join(directory, "fit.lock"), directory);
}

/** What is kept in a directory: features, maps, or the state of a training, each of one key at a time. */
type Kept = "features" | "maps" | "training";

/** Removes what fits on other pictures, layers or settings kept there: nobody may come back for it. */
export async function removeOthers(
  directory: string,
  kind: Kept,
  key: string,
): Promise<void> {
  const isOther = new RegExp(
    `^${kind}-(?!${key})[0-9a-f]{${key.length}}\\.(bin|txt|json|safetensors)$`,
  );
  const names = await Array.fromAsync(listFolder(directory), ({ name }) => name);
  for (const name of names.filter((name) => isOther.test(name))) {
    await remove(join(directory, name));
  }
}
