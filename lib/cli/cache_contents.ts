/**
 * What the folder for models holds: models that were pulled, what a pull that was broken off left, times of
 * WebGPU's kernels, indexes of pictures. Whatever else is there is somebody else's.
 */

import { removeModel } from "../io/cache.ts";
import { findModel } from "../model/catalog.ts";
import { describePath, type FileInfo, listFolder, NotFound, remove } from "../platform.ts";
import { KERNEL_TIMES } from "../engine/webgpu/tuning/tune_cache.ts";
import { isRepositoryId } from "./known_models.ts";
import { megabytes } from "./progress.ts";

/** What a file of the folder is. */
export type CachedKind = "model" | "partial download" | "kernel times" | "picture index";

/** A file that this program keeps. */
export interface CachedFile {
  /** Its path in the folder. */
  readonly name: string;
  readonly kind: CachedKind;
  readonly size: number;
  /** The model that it is, or becomes: a catalog's id, or `hf--OWNER--NAME--REVISION`. */
  readonly model?: string | undefined;
  /** Bytes of the whole, where it is a part and they are published. */
  readonly total?: number | undefined;
}

/** Where `similar` and `duplicates` keep their indexes. */
const INDEXES = "search";
/** How these are called: a file of another name is somebody else's. */
const INDEX = /-[0-9a-f]{12}\.safetensors$/;

/** The index of a folder of pictures, of some settings that a hash stands for. */
export function indexPath(cacheDir: string, folder: string, hash: string): string {
  return `${cacheDir}/${INDEXES}/${folder.slice(0, 50)}-${hash.slice(0, 12)}.safetensors`;
}

/** Lists what this program keeps in a folder, by name. A folder that is not there holds nothing. */
export async function listCache(cacheDir: string): Promise<CachedFile[]> {
  const files: CachedFile[] = [];
  for (const name of await namesIn(cacheDir)) {
    const known = describe(name);
    if (known !== undefined) files.push(...await withSize(cacheDir, { name, ...known }));
  }
  for (const index of await namesIn(`${cacheDir}/${INDEXES}`)) {
    if (!INDEX.test(index)) continue;
    const name = `${INDEXES}/${index}`;
    files.push(...await withSize(cacheDir, { name, kind: "picture index" }));
  }
  return files;
}

/**
 * Removes all that {@linkcode listCache} lists. Locks stay, as others may wait for them.
 *
 * @returns What was removed.
 */
export async function clearCache(cacheDir: string, signal?: AbortSignal): Promise<CachedFile[]> {
  const files = await listCache(cacheDir);
  const models = new Set(files.flatMap(({ model }) => model ?? []));
  for (const id of models) await removeModel(id, cacheDir, signal);
  for (const { name, model } of files) {
    signal?.throwIfAborted();
    if (model === undefined) await unlessGone(() => remove(`${cacheDir}/${name}`));
  }
  return files;
}

/** What a file is, in words that end with its size: `partial download of vgg19, 1.5 of 574.7 MB`. */
export function describeCached({ name, kind, size, model, total }: CachedFile): string {
  const what = model === undefined ? `${kind}, ${name}` : `${kind} of ${model}`;
  return `${what}, ${
    total === undefined ? sizeText(size) : `${sizeText(size)} of ${sizeText(total)}`
  }`;
}

/** Files and how many they are, for a program. */
export interface CacheSummary {
  readonly files: number;
  readonly bytes: number;
  readonly contents: readonly CachedFile[];
}

export function summaryOf(contents: readonly CachedFile[]): CacheSummary {
  const bytes = contents.reduce((sum, { size }) => sum + size, 0);
  return { files: contents.length, bytes, contents };
}

/** `3 files, 1.5 MB` */
export function describeAll(contents: readonly CachedFile[]): string {
  const { files, bytes } = summaryOf(contents);
  return `${files} file${files === 1 ? "" : "s"}, ${sizeText(bytes)}`;
}

/** `80 kB` or `1.5 MB` */
function sizeText(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : megabytes(bytes);
}

function describe(name: string): Omit<CachedFile, "name" | "size"> | undefined {
  if (name === KERNEL_TIMES) return { kind: "kernel times" };
  const [, id, part] = /^(.+?)\.safetensors((?:\..+)?\.part)?$/.exec(name) ?? [];
  if (id === undefined || !isPulled(id)) return undefined;
  if (part === undefined) return { kind: "model", model: id };
  // Of a repository nobody says before how many bytes its files have.
  return { kind: "partial download", model: id, total: findModel(id)?.size };
}

/** Whether a pull gives a file this name: a model of somebody's own may lie in the same folder. */
function isPulled(id: string): boolean {
  return findModel(id)?.url !== undefined || isRepositoryId(id);
}

async function namesIn(folder: string): Promise<string[]> {
  const entries = await unlessGone(() => Array.fromAsync(listFolder(folder))) ?? [];
  return entries.filter(({ isFile }) => isFile).map(({ name }) => name).sort();
}

async function withSize(
  cacheDir: string,
  file: Omit<CachedFile, "size">,
): Promise<CachedFile[]> {
  const info: FileInfo | undefined = await unlessGone(() =>
    describePath(`${cacheDir}/${file.name}`)
  );
  return info === undefined ? [] : [{ ...file, size: info.size }];
}

/** Somebody else may remove at the same time what was there. */
async function unlessGone<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}
