/** The folder for models, and whether it can be used. */

import { knownCacheDir, mayKnowCacheDir } from "../../io/cache.ts";
import { describePath, isGranted, NotFound, OpenFile, removeSync } from "../../platform.ts";
import { type CacheSummary, listCache, summaryOf } from "../cache_contents.ts";

/** What is known of the folder. */
export interface Cache extends CacheSummary {
  readonly path: string | null;
  /** Whether it can be written; `null` where that is not known, as it is not there. */
  readonly isWritable: boolean | null;
  /** What is the matter with it. Classifying does not need it. */
  readonly problem: string | null;
}

/** Looks into the folder. */
export async function examineCache(given: string | undefined): Promise<Cache> {
  const path = given ?? knownCacheDir() ?? null;
  const unusable = (problem: string): Cache => ({
    ...summaryOf([]),
    path,
    isWritable: false,
    problem,
  });
  if (path === null) {
    const missing = mayKnowCacheDir() ? "a variable HOME or VGG16_CACHE_DIR" : "--allow-env";
    return unusable(`not known: it takes ${missing} to find it, or --cache-dir`);
  }
  if (!isGranted({ name: "read", path })) return unusable("may not be read: no --allow-read of it");
  try {
    if (!(await describePath(path)).isFolder) return unusable("is no folder");
    const contents = await listCache(path), problem = writeProblem(path);
    return { ...summaryOf(contents), path, isWritable: problem === null, problem };
  } catch (error) {
    if (!(error instanceof NotFound)) return unusable(textOf(error));
    const mayWrite = isGranted({ name: "write", path });
    const problem = mayWrite
      ? "is not there yet"
      : "is not there, and there is no --allow-write of it";
    return { ...summaryOf([]), path, isWritable: mayWrite ? null : false, problem };
  }
}

/** Why a folder cannot be written, if it cannot. */
function writeProblem(folder: string): string | null {
  if (!isGranted({ name: "write", path: folder })) {
    return "may not be written: no --allow-write of it";
  }
  const probe = `${folder}/doctor-${crypto.randomUUID()}.tmp`;
  try {
    new OpenFile(probe, "new").close();
    removeSync(probe);
    return null;
  } catch (error) {
    return `cannot be written: ${textOf(error)}`;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
