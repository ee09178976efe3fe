/**
 * What the library asks of the runtime and the web has no interface for: files, the environment, memory.
 * What differs between Deno, Node, Bun and browsers is in `system/`.
 */

import { DiskFullError } from "./errors.ts";
import { type ErrorClass, type Stat, system, type SystemFile } from "./system/system.ts";

/** Whether the runtime is Deno, which also imports modules of WebAssembly wherever they are. */
export const IS_DENO: boolean = "Deno" in globalThis;

/** There is no such file or folder. */
export const NotFound: ErrorClass = system.errors.NotFound;
/** A folder where a file is expected. */
export const IsADirectory: ErrorClass = system.errors.IsADirectory;
/** The program has not the permission. */
export const NotCapable: ErrorClass = system.errors.NotCapable;

/** What the system's errors are called here, by their classes: its own words name system calls and numbers. */
const WORDS = new Map<unknown, string>([
  [system.errors.NotFound, "There is no such file or folder"],
  [system.errors.PermissionDenied, "The system does not let this program open it"],
  [system.errors.IsADirectory, "Expected a file, and it is a folder"],
  [system.errors.NotADirectory, "Expected a folder on the way, and it is a file"],
]);

/** An error of the system about a path in words, of the same class. */
function inWords(error: unknown, path: string | URL): unknown {
  if (!(error instanceof Error)) return error;
  const words = WORDS.get(error.constructor);
  if (words === undefined) return error;
  const Class = error.constructor as typeof Error; // One of those above.
  return new Class(`${words}: ${path}`, { cause: error });
}

/** Does something with a path, whose errors are in words. */
async function wording<Result>(path: string | URL, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw inWords(error, path);
  }
}

/** What Linux and macOS (no space, no quota, no larger file) and Windows call it. */
const DISK_FULL = system.build.os === "windows"
  ? /os error (39|112)\b/
  : /os error (27|28|69|122)\b/;

/** The error of a file that cannot be written. Deno has none of its own for a full disk. */
function writeError(error: unknown, path: string | URL): unknown {
  const isFull = error instanceof Error && DISK_FULL.test(error.message);
  if (!isFull) return error;
  return new DiskFullError(`There is no space left for ${path}: free some, and try again`, {
    cause: error,
  });
}

/** What a path leads to. */
export interface FileInfo {
  readonly isFile: boolean;
  readonly isFolder: boolean;
  /** Bytes of a file. */
  readonly size: number;
  /** When its bytes were changed, in milliseconds since 1970, where that is known. */
  readonly modifiedMs: number | undefined;
  /** The same of all that is known of it, its name among that. */
  readonly changedMs: number | undefined;
  /** Whether it has no name any more, where that is known. */
  readonly isRemoved: boolean;
  /** What it has under each of its names, and no other; undefined where that is not known. */
  readonly id: string | undefined;
}

/** What a folder holds. */
export interface FolderEntry {
  readonly name: string;
  readonly isFile: boolean;
  readonly isFolder: boolean;
  /** Then it is neither of the others, whatever it leads to. */
  readonly isLink: boolean;
}

/** Reads a file. */
export function readBytes(
  path: string | URL,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  return wording(path, () => system.readFile(path, { signal }));
}

/** Reads what is no file with a size, such as a pipe, as it comes. */
export async function openStream(
  path: string | URL,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  return (await wording(path, () => system.open(path))).readable;
}

/** Reads a file of UTF-8. */
export function readText(path: string, signal?: AbortSignal): Promise<string> {
  return wording(path, () => system.readTextFile(path, { signal }));
}

/** What a path leads to, through links. */
export async function describePath(path: string | URL): Promise<FileInfo> {
  return infoOf(await wording(path, () => system.stat(path)));
}

/** What a path leads to, in a word. */
export function kindOf(path: string | URL): "file" | "folder" | "pipe" | "socket" | "device" {
  const { isFile, isDirectory, isFifo, isSocket } = system.statSync(path);
  if (isFile) return "file";
  return isDirectory ? "folder" : isFifo ? "pipe" : isSocket ? "socket" : "device";
}

/** Whether there is something at a path that may be looked at. */
export function isThere(path: string): boolean {
  try {
    system.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether a path is a link, wherever that leads. */
export async function isLink(path: string): Promise<boolean> {
  return (await system.lstat(path)).isSymlink;
}

/** The path itself, without links. */
export function realPath(path: string | URL): Promise<string> {
  return wording(path, () => system.realPath(path));
}

/** Lists a folder. */
export async function* listFolder(path: string): AsyncGenerator<FolderEntry> {
  try {
    for await (const { name, isFile, isDirectory, isSymlink } of system.readDir(path)) {
      yield { name, isFile, isFolder: isDirectory, isLink: isSymlink };
    }
  } catch (error) {
    throw inWords(error, path);
  }
}

/** The names of a folder's files, and of links in it. */
export function fileNames(path: string): string[] {
  return [...system.readDirSync(path)].flatMap(({ name, isDirectory }) =>
    isDirectory ? [] : [name]
  );
}

/**
 * Makes a folder and those above it, unless they are there.
 *
 * @throws {DiskFullError} If the disk has no space for them.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await system.mkdir(path, { recursive: true });
  } catch (error) {
    throw writeError(error, path);
  }
}

/**
 * Gives a file another path of the same folder, unless something has it.
 *
 * @returns Whether it has.
 */
export async function moveNew(from: string, to: string): Promise<boolean> {
  try {
    await system.link(from, to);
  } catch (error) {
    if (error instanceof system.errors.AlreadyExists) return false;
    return await moveToReserved(from, to);
  }
  await system.remove(from);
  return true;
}

/** The same on file systems where a file has one name: an empty file holds the name meanwhile. */
async function moveToReserved(from: string, to: string): Promise<boolean> {
  try {
    (await system.open(to, { write: true, createNew: true })).close();
  } catch (error) {
    if (error instanceof system.errors.AlreadyExists) return false;
    throw error;
  }
  await system.rename(from, to);
  return true;
}

/** Gives a file another path, where it replaces what is there. */
export function move(from: string, to: string): Promise<void> {
  return system.rename(from, to);
}

/** Removes a file. */
export function remove(path: string): Promise<void> {
  return system.remove(path);
}

/** Removes a file, at once. */
export function removeSync(path: string): void {
  system.removeSync(path);
}

/** Makes sure that the names of a folder's files are on the disk, where the system knows how to. */
export async function syncFolder(path: string): Promise<void> {
  try {
    using folder = await system.open(path);
    await folder.sync();
  } catch {
    // Windows opens no folders, and some file systems sync none: then they keep names by themselves.
  }
}

/** Where a file's bytes are counted from. */
const FROM_START = 0;

/** How {@linkcode OpenFile} opens a file: `"new"` refuses one that is there, `"change"` keeps its bytes, and `"change there"`
 * makes none. */
const MODES = {
  read: { read: true },
  new: { read: true, write: true, createNew: true },
  change: { read: true, write: true, create: true },
  "change there": { read: true, write: true },
} as const;

/**
 * An open file. Reading and writing are synchronous, as most of it is in small ranges and a promise costs
 * more than a cached page.
 */
export class OpenFile implements Disposable {
  readonly #file: SystemFile;
  readonly #name: string | URL;

  /**
   * @param name What to call it in messages. Default: its path.
   * @throws {Deno.errors.NotFound} If there is no such file, or no such folder for it.
   */
  constructor(
    path: string | URL,
    mode: keyof typeof MODES = "read",
    name: string | URL = path,
  ) {
    this.#name = name;
    try {
      this.#file = system.openSync(path, MODES[mode]);
    } catch (error) {
      throw inWords(writeError(error, name), name);
    }
  }

  /** What it is now. */
  describe(): FileInfo {
    return infoOf(this.#file.statSync());
  }

  /** Fills `into` with the bytes from `offset` on. Returns how many there were. */
  read(offset: number, into: Uint8Array): number {
    this.#file.seekSync(offset, FROM_START);
    let filled = 0;
    while (filled < into.length) {
      const count = this.#file.readSync(into.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    return filled;
  }

  /**
   * Writes all of `bytes` at `offset`.
   *
   * @throws {DiskFullError} If the disk has no space for them. Some may have been written.
   */
  write(offset: number, bytes: Uint8Array): void {
    this.#file.seekSync(offset, FROM_START);
    try {
      for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
    } catch (error) {
      throw writeError(error, this.#name);
    }
  }

  /**
   * Writes all of `bytes` at the end, or nothing.
   *
   * @throws {DiskFullError} If the disk has no space for them.
   */
  append(bytes: Uint8Array): void {
    const { size } = this.describe();
    try {
      this.write(size, bytes);
    } catch (error) {
      this.truncate(size);
      throw error;
    }
  }

  /** Cuts the file off. */
  truncate(length: number): void {
    this.#file.truncateSync(length);
  }

  /** Makes sure that the bytes are on the disk. */
  async sync(): Promise<void> {
    try {
      await this.#file.syncData();
    } catch (error) {
      throw writeError(error, this.#name);
    }
  }

  /** Locks it against other processes until it is closed, unless one of them has. */
  tryLock(): Promise<boolean> {
    return this.#file.tryLock(true);
  }

  /** Closes it, once. */
  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/**
 * Opens an empty file. It has no name any more, so that nothing is left of it once it is closed, however its process
 * ends.
 *
 * @param folder Default: where the system keeps temporary ones.
 */
export function makeTemporaryFile(folder?: string): OpenFile {
  const path = system.makeTempFileSync({ dir: folder, prefix: "vgg16-", suffix: ".tmp" });
  try {
    return new OpenFile(path, "change");
  } finally {
    try {
      system.removeSync(path);
    } catch {
      // Another process took it for a leftover.
    }
  }
}

function infoOf(
  { isFile, isDirectory, size, mtime, ctime, nlink, dev, ino }: Stat,
): FileInfo {
  const isRemoved = nlink === 0, modifiedMs = mtime?.getTime(), changedMs = ctime?.getTime();
  const id = ino ? `${dev} ${ino}` : undefined;
  return { isFile, isFolder: isDirectory, size, modifiedMs, changedMs, isRemoved, id };
}

/** A variable of the environment. */
export function environmentVariable(name: string): string | undefined {
  return system.env.get(name);
}

/** Takes a variable out of the environment, of this program and of those that it starts. */
export function removeVariable(name: string): void {
  system.env.delete(name);
}

/** All variables of the environment. */
export function environmentVariables(): Record<string, string> {
  return system.env.toObject();
}

/** What a program may be allowed: a variable, a file or a folder, a host, a fact of the system; or all of them. */
export type Permission =
  | { readonly name: "env"; readonly variable?: string }
  | { readonly name: "read" | "write"; readonly path?: string }
  | { readonly name: "net"; readonly host?: string }
  | { readonly name: "run"; readonly command?: string }
  | { readonly name: "sys"; readonly kind?: "hostname" | "osRelease" | "systemMemoryInfo" };

/** Whether the program has a permission. Never asks for it. */
export function isGranted(permission: Permission): boolean {
  return system.permissions.querySync(permission).state === "granted";
}

/** Whether it has all permissions of a kind, without exceptions. */
export function isGrantedAll(name: Permission["name"]): boolean {
  const { state, partial } = system.permissions.querySync({ name });
  return state === "granted" && !partial;
}

/** Has something done, at once, when the program ends by itself. */
export function onExit(work: () => void): void {
  if (IS_DENO) addEventListener("unload", work);
  else if ("process" in globalThis) globalThis.process.on?.("exit", work);
}

/** The folder that paths are relative to. */
export function currentFolder(): string {
  return system.cwd();
}

/** Where the runtime itself lies. */
export function runtimePath(): string {
  return system.execPath();
}

/** Bytes of memory that the process has. */
export function residentBytes(): number {
  return system.memoryUsage().rss;
}

/** Whether text must not be colored: the variable `NO_COLOR` is set. */
export const NO_COLOR: boolean = system.noColor;

/** The runtime's version, and that of what runs its programs. */
export const RUNTIME_VERSION: string = system.version.deno, V8_VERSION: string = system.version.v8;

/** Whether what a thread wakes goes on only once something else happens: Deno looks for it from 2.8 on. */
export const WAKES_LATE: boolean = /^2\.[0-7]\./.test(RUNTIME_VERSION);

/** The system, such as `linux x86_64`. */
export const SYSTEM: string = `${system.build.os} ${system.build.arch}`;
