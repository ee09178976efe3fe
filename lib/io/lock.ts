/**
 * What only one process at a time may do with a file. The system gives a lock back when its process ends,
 * however it does.
 */

import { delay } from "@std/async/delay";
import { OpenFile, removeSync } from "../platform.ts";

/** How often a lock that another process has is tried again. */
const POLL_MS = 100;

/**
 * Opens a file, which is created if it is not there, and locks it until it is closed.
 *
 * @param what What is written, if it is not the file alone.
 * @throws {Error} If another run has it.
 */
export async function openLocked(path: string, what: string = path): Promise<OpenFile> {
  const file = await tryOpen(path);
  if (file !== undefined) return file;
  throw new Error(`Another run writes ${what}: wait until it ends, or write elsewhere`);
}

/**
 * Does something as long as it has the lock of a file. The others wait.
 *
 * @throws {Deno.errors.NotFound} If there is no such folder.
 */
export async function withLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  let file: OpenFile | undefined;
  // Polled, as waiting for the system's lock cannot be aborted.
  while ((file = await tryOpen(path)) === undefined) await delay(POLL_MS, { signal });
  using _file = file;
  return await work();
}

async function tryOpen(path: string): Promise<OpenFile | undefined> {
  for (;;) {
    const file = new OpenFile(path, "change");
    let isMine = false;
    try {
      if (!await file.tryLock()) return undefined;
      // Another file may have got its name meanwhile: a lock of what has none keeps nobody out.
      isMine = !file.describe().isRemoved;
      if (isMine) return file;
    } finally {
      if (!isMine) file.close();
    }
  }
}

/**
 * Locks what is written by replacing it: a file beside it is locked, `NAME.lock`, which is removed at the end.
 *
 * @throws {Error} If another run has it.
 */
export async function lockBeside(path: string): Promise<Disposable> {
  const beside = `${path}.lock`;
  const file = await openLocked(beside, path);
  return {
    [Symbol.dispose]() {
      removeIfPossible(beside);
      file.close();
    },
  };
}

function removeIfPossible(path: string): void {
  try {
    removeSync(path);
  } catch {
    // Windows removes no open file: it stays, and is locked again.
  }
}
