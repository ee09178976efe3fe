/** Node and Bun: Deno's functions by `node:fs`, with its errors. Nothing is forbidden there. */

import type { Stats } from "node:fs";
import { needed } from "./builtin.ts";
import type { ErrorClass, Stat, System } from "./types.ts";
import { errorClass } from "./web.ts";

type Fs = typeof import("node:fs");

const errors = {
  AlreadyExists: errorClass("AlreadyExists"),
  BrokenPipe: errorClass("BrokenPipe"),
  IsADirectory: errorClass("IsADirectory"),
  NotADirectory: errorClass("NotADirectory"),
  NotCapable: errorClass("NotCapable"),
  NotFound: errorClass("NotFound"),
  PermissionDenied: errorClass("PermissionDenied"),
  WouldBlock: errorClass("WouldBlock"),
};

/** What the system's codes are called. */
const CLASSES: Readonly<Record<string, ErrorClass>> = {
  EACCES: errors.PermissionDenied,
  EAGAIN: errors.WouldBlock,
  EEXIST: errors.AlreadyExists,
  EISDIR: errors.IsADirectory,
  ENOENT: errors.NotFound,
  ENOTDIR: errors.NotADirectory,
  EPERM: errors.PermissionDenied,
  EPIPE: errors.BrokenPipe,
};

/** The numbers that tell a full disk, as on Linux, whatever the system's own are. */
const NUMBERS: Readonly<Record<string, number>> = { EFBIG: 27, ENOSPC: 28, EDQUOT: 122 };

/** An error of Node's as Deno's: of a class, and of a full disk with the number in its message. */
function asDeno(error: unknown): unknown {
  if (!(error instanceof Error && "code" in error)) return error;
  const code = String(error.code), number = NUMBERS[code];
  const message = number === undefined ? error.message : `${error.message} (os error ${number})`;
  return new (CLASSES[code] ?? Error)(message, { cause: error });
}

/** A function whose errors are Deno's. */
function mapped<Args extends readonly unknown[], Result>(
  work: (...args: Args) => Result,
): (...args: Args) => Result {
  return (...args) => {
    try {
      const result = work(...args);
      if (!(result instanceof Promise)) return result;
      return result.catch((error) => Promise.reject(asDeno(error))) as Result;
    } catch (error) {
      throw asDeno(error);
    }
  };
}

/** The functions of an object, so. */
function allMapped<Functions extends object>(functions: Functions): Functions {
  const entries = Object.entries(functions).map(([name, value]) => [
    name,
    typeof value === "function" ? mapped(value) : value,
  ]);
  return Object.fromEntries(entries) as Functions;
}

function statOf(stats: Stats): Stat {
  return {
    isFile: stats.isFile(),
    isDirectory: stats.isDirectory(),
    isSymlink: stats.isSymbolicLink(),
    isFifo: stats.isFIFO(),
    isSocket: stats.isSocket(),
    size: stats.size,
    mtime: stats.mtime,
    ctime: stats.ctime,
    nlink: stats.nlink,
    dev: stats.dev,
    ino: stats.ino,
  };
}

function flagsOf(fs: Fs, options: Parameters<System["openSync"]>[1] = {}): number {
  const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants;
  const create = options.createNew ? O_CREAT | O_EXCL : options.create ? O_CREAT : 0;
  return (options.write ? O_RDWR : O_RDONLY) | create;
}

/** Opens a file without blocking the others: a pipe is open once somebody writes to it. */
async function descriptorOf(fs: Fs, path: string | URL, flags: number): Promise<number> {
  return await new Promise((resolve, reject) =>
    fs.open(path, flags, (error, fd) => error ? reject(error) : resolve(fd))
  );
}

function openFile(fs: Fs, path: string | URL, fd: number) {
  let at = 0, isOpen = true, unlock = (): void => {};
  const close = (): void => {
    // Once: another process may have the lock when it is closed again.
    const giveBack = unlock;
    unlock = () => {};
    giveBack();
    if (isOpen) fs.closeSync(fd);
    isOpen = false;
  };
  return {
    ...allMapped({
      seekSync: (offset: number) => at = offset,
      readSync(into: Uint8Array) {
        const count = fs.readSync(fd, into, 0, into.length, at);
        at += count;
        return count === 0 && into.length > 0 ? null : count;
      },
      writeSync(bytes: Uint8Array) {
        const count = fs.writeSync(fd, bytes, 0, bytes.length, at);
        at += count;
        return count;
      },
      statSync: () => statOf(fs.fstatSync(fd)),
      truncateSync: (length: number) => void fs.ftruncateSync(fd, length),
      syncData: async () => await Promise.resolve(fs.fdatasyncSync(fd)),
      sync: async () => await Promise.resolve(fs.fsyncSync(fd)),
      tryLock() {
        const held = lockByName(fs, path);
        unlock = held ?? unlock;
        return Promise.resolve(held !== undefined);
      },
      close,
    }),
    get readable() {
      const { Readable } = needed("node:stream");
      const stream = fs.createReadStream("", { fd });
      isOpen = false; // The stream closes it.
      return Readable.toWeb(stream) as ReadableStream<Uint8Array<ArrayBuffer>>;
    },
    [Symbol.dispose]: close,
  };
}

/** Milliseconds after which a file that was made for a moment is one that a process has left. */
const MOMENT_MS = 10_000;

/**
 * Locks a file, which Node cannot: a file beside it names the process that holds it. One of a process that is gone is
 * taken over.
 *
 * @returns Gives it back; `undefined` if another has it.
 */
function lockByName(fs: Fs, path: string | URL): (() => void) | undefined {
  const place = `${path instanceof URL ? needed("node:url").fileURLToPath(path) : path}.pid`;
  const { pid } = globalThis.process, own = `${pid} ${startOf(fs, pid)} ${crypto.randomUUID()}`;
  if (!makeNew(fs, place, own) && !(removeLeft(fs, place) && makeNew(fs, place, own))) {
    return undefined;
  }
  const giveBack = (): void => {
    globalThis.process.off("exit", giveBack);
    if (contentsOf(fs, place) === own) fs.rmSync(place, { force: true });
  };
  globalThis.process.on("exit", giveBack);
  return giveBack;
}

/** Writes a file that is not there. Returns whether it was not. */
function makeNew(fs: Fs, path: string, contents: string): boolean {
  try {
    fs.writeFileSync(path, contents, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    // It may have been made, and not been written on a full disk.
    if (contentsOf(fs, path) === "") fs.rmSync(path, { force: true });
    throw error;
  }
}

/**
 * Removes the lock of a process that is gone. Only one at a time may do so: a second one would remove what the
 * first has put there since.
 *
 * @returns Whether there is none any more.
 */
function removeLeft(fs: Fs, place: string): boolean {
  if (isHeld(fs, place)) return false;
  const removing = `${place}.removing`;
  if (!makeNew(fs, removing, "")) {
    if (!isYoung(fs, removing)) fs.rmSync(removing, { force: true }); // For whoever tries next.
    return false;
  }
  try {
    if (isHeld(fs, place)) return false;
    fs.rmSync(place, { force: true });
    return true;
  } finally {
    fs.rmSync(removing, { force: true });
  }
}

/** Whether the process that a lock names is there, and no other that has got its number. */
function isHeld(fs: Fs, place: string): boolean {
  let contents: string;
  try {
    contents = fs.readFileSync(place, "utf8");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT"; // That of another user may not be read.
  }
  const [pid, start] = contents.split(" ");
  // One that is just being written names none.
  if (!(Number(pid) > 0)) return isYoung(fs, place);
  try {
    globalThis.process.kill(Number(pid), 0);
  } catch (error) {
    // That of another user may not be asked.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const now = startOf(fs, Number(pid));
  return start === undefined || start === UNKNOWN || now === UNKNOWN || start === now;
}

const UNKNOWN = "-";

/** When a process has started, as Linux tells it: which boot, and which tick of that. */
function startOf(fs: Fs, pid: number): string {
  const boot = contentsOf(fs, "/proc/sys/kernel/random/boot_id")?.trim();
  // Its name, in parentheses, may have any characters.
  const tick = contentsOf(fs, `/proc/${pid}/stat`)?.replace(/^.*\)/s, "").trim().split(" ")[19];
  return boot === undefined || tick === undefined ? UNKNOWN : `${boot}:${tick}`;
}

function contentsOf(fs: Fs, path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function isYoung(fs: Fs, path: string): boolean {
  const modified = fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return modified !== undefined && Date.now() - modified < MOMENT_MS;
}

/** Standard output or error. Nothing is opened until it is used: that would change what other programs share. */
function outputOf(fs: Fs, fd: 1 | 2): System["stdout"] {
  const writeSync = mapped((bytes: Uint8Array) => fs.writeSync(fd, bytes));
  return {
    isTerminal: () => needed("node:tty").isatty(fd),
    writeSync,
    write: async (bytes) => await Promise.resolve(writeSync(bytes)),
  };
}

function stdinOf(fs: Fs): System["stdin"] {
  return {
    get readable() {
      const { stdin } = globalThis.process;
      return needed("node:stream").Readable.toWeb(stdin) as ReadableStream<Uint8Array<ArrayBuffer>>;
    },
    isTerminal: () => needed("node:tty").isatty(0),
    read: mapped(async (into: Uint8Array) =>
      await new Promise<number | null>((resolve, reject) =>
        fs.read(
          0,
          into,
          0,
          into.length,
          null,
          (error, count) => error ? reject(error) : resolve(count === 0 ? null : count),
        )
      )
    ),
  };
}

/** Makes a folder and those above it. Node's own way never ends where a file system, as `/proc`, takes none. */
async function makeFolders(fs: Fs, path: string): Promise<void> {
  const { dirname } = needed("node:path");
  const make = async (): Promise<void> => {
    try {
      await fs.promises.mkdir(path);
    } catch (error) {
      if (!(await fs.promises.stat(path).catch(() => undefined))?.isDirectory()) throw error;
    }
  };
  try {
    await make();
  } catch (error) {
    const above = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || above === path) throw error;
    await makeFolders(fs, above);
    await make();
  }
}

const SYSTEMS: Readonly<Record<string, string>> = { win32: "windows" };
const PROCESSORS: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

/** Files, the environment and the terminal. */
export function nodeSystem(fs: Fs): System {
  const { process } = globalThis, { promises } = fs;
  return {
    args: process.argv.slice(2),
    build: {
      os: SYSTEMS[process.platform] ?? process.platform,
      arch: PROCESSORS[process.arch] ?? process.arch,
    },
    env: {
      get: (name) => process.env[name],
      delete: (name) => void delete process.env[name],
      toObject: () => ({ ...process.env }) as Record<string, string>,
    },
    errors,
    noColor: Boolean(process.env.NO_COLOR),
    permissions: { querySync: () => ({ state: "granted", partial: false }) },
    stdin: stdinOf(fs),
    stdout: outputOf(fs, 1),
    stderr: outputOf(fs, 2),
    version: { deno: `Node ${process.versions.node}`, v8: process.versions.v8 ?? "" },
    addSignalListener: (signal, handler) => void process.on(signal, handler),
    removeSignalListener: (signal, handler) => void process.off(signal, handler),
    consoleSize: () => ({ columns: process.stdout.columns || process.stderr.columns }),
    cwd: () => process.cwd(),
    execPath: () => process.execPath,
    exit: (code) => process.exit(code),
    memoryUsage: () => process.memoryUsage(),
    ...allMapped<
      Pick<
        System,
        "link" | "lstat" | "makeTempFileSync" | "mkdir" | "open" | "openSync" | "readDir"
      >
    >({
      link: (from, to) => promises.link(from, to),
      lstat: async (path) => statOf(await promises.lstat(path)),
      makeTempFileSync({ dir = needed("node:os").tmpdir(), prefix, suffix }) {
        const path = `${dir}/${prefix}${crypto.randomUUID().slice(0, 8)}${suffix}`;
        fs.writeFileSync(path, "", { flag: "wx", mode: 0o600 });
        return path;
      },
      mkdir: (path) => makeFolders(fs, path),
      open: async (path, options) =>
        openFile(fs, path, await descriptorOf(fs, path, flagsOf(fs, options))),
      openSync: (path, options) => openFile(fs, path, fs.openSync(path, flagsOf(fs, options))),
      readDir: (path) => entriesOf(fs, path),
    }),
    ...allMapped<
      Pick<
        System,
        "readDirSync" | "readFile" | "readTextFile" | "realPath" | "remove" | "removeSync"
      >
    >({
      readDirSync: (path) => fs.readdirSync(path, { withFileTypes: true }).map(entryOf),
      readFile: async (path, options) =>
        ownBytes(await reading(promises.readFile(path, options), options)),
      readTextFile: async (path, options) =>
        (await reading(promises.readFile(path, options), options)).toString("utf8"),
      realPath: (path) => promises.realpath(path),
      remove: (path) => promises.unlink(path),
      removeSync: (path) => fs.unlinkSync(path),
    }),
    ...allMapped<Pick<System, "rename" | "stat" | "statSync">>({
      rename: (from, to) => promises.rename(from, to),
      stat: async (path) => statOf(await promises.stat(path)),
      statSync: (path) => statOf(fs.statSync(path)),
    }),
  };
}

/** What is read, unless it is aborted: then the signal's own reason is thrown. */
async function reading<T>(
  work: Promise<T>,
  options: { signal?: AbortSignal | undefined },
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  }
}

/** Bytes that are no `Buffer`, whose methods of the same names do something else. */
function ownBytes({ buffer, byteOffset, length }: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, length); // Node's own are not shared.
}

function entryOf(entry: import("node:fs").Dirent) {
  return {
    name: entry.name,
    isFile: entry.isFile(),
    isDirectory: entry.isDirectory(),
    isSymlink: entry.isSymbolicLink(),
  };
}

async function* entriesOf(fs: Fs, path: string): AsyncGenerator<ReturnType<typeof entryOf>> {
  try {
    for await (const entry of await fs.promises.opendir(path)) yield entryOf(entry);
  } catch (error) {
    throw asDeno(error);
  }
}
