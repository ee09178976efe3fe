/** Where the times of candidates are kept: one file in the cache directory. */

import { join } from "@std/path/join";
import { writeWhole } from "../../../io/atomic_file.ts";
import { isRecord } from "../../../model/json.ts";
import { makeFolder, readText } from "../../../platform.ts";

/** Milliseconds that candidates take, by the name of the workload and of the candidate. */
export type Times = Record<string, Record<string, number>>;

/** Changes when the kernels do. */
const VERSION = 4;
/** What the file is called. */
export const KERNEL_TIMES = "webgpu_tuning.json";

interface CacheFile {
  readonly version: number;
  /** By adapter, driver and precision. */
  readonly adapters: Readonly<Record<string, Times>>;
}

/**
 * Reads what is known of an adapter: nothing where the file is not there, cannot be read, is
 * damaged or of other kernels.
 */
export async function readTimes(cacheDir: string, adapter: string): Promise<Times> {
  const times = (await readCache(cacheDir)).adapters[adapter];
  return isTimes(times) ? times : {};
}

/** Keeps what is known of an adapter. Where that fails, the next load makes the trials again. */
export async function writeTimes(cacheDir: string, adapter: string, times: Times): Promise<void> {
  const { adapters } = await readCache(cacheDir);
  const file: CacheFile = { version: VERSION, adapters: { ...adapters, [adapter]: times } };
  const path = join(cacheDir, KERNEL_TIMES);
  try {
    await makeFolder(cacheDir);
    // JSON has no infinity: a candidate that was refused takes longer than any.
    const json = JSON.stringify(file, (_, ms) => ms === Infinity ? Number.MAX_VALUE : ms, 2);
    await writeWhole(path, json);
  } catch {
    // As said above.
  }
}

async function readCache(cacheDir: string): Promise<CacheFile> {
  try {
    const file = JSON.parse(await readText(join(cacheDir, KERNEL_TIMES)));
    if (file?.version === VERSION && isRecord(file.adapters)) return file;
  } catch {
    // As if it were not there.
  }
  return { version: VERSION, adapters: {} };
}

function isTimes(value: unknown): value is Times {
  return isRecord(value) &&
    Object.values(value).every((names) =>
      isRecord(names) && Object.values(names).every((ms) => typeof ms === "number" && ms >= 0)
    );
}
