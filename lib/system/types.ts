/** What the package asks of its runtime beyond the web's interfaces, in the words of Deno. */

/** Kinds of errors that files have. */
type ErrorKind =
  | "AlreadyExists"
  | "BrokenPipe"
  | "IsADirectory"
  | "NotADirectory"
  | "NotCapable"
  | "NotFound"
  | "PermissionDenied"
  | "WouldBlock";

/** A class of errors. */
export type ErrorClass = new (message?: string, options?: ErrorOptions) => Error;

/** What a path leads to. */
export type Stat =
  & Pick<Deno.FileInfo, "isFile" | "isDirectory" | "isSymlink" | "isFifo" | "isSocket">
  & Pick<Deno.FileInfo, "size" | "mtime" | "ctime" | "nlink" | "dev" | "ino">;

/** An open file. */
export interface SystemFile extends Disposable {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  seekSync(offset: number, whence: 0): number;
  readSync(into: Uint8Array): number | null;
  writeSync(bytes: Uint8Array): number;
  statSync(): Stat;
  truncateSync(length: number): void;
  syncData(): Promise<void>;
  sync(): Promise<void>;
  tryLock(exclusive: boolean): Promise<boolean>;
  close(): void;
}

interface OpenOptions {
  readonly read?: boolean;
  readonly write?: boolean;
  readonly create?: boolean;
  readonly createNew?: boolean;
}

interface Entry {
  readonly name: string;
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
}

interface Permission {
  readonly name: "env" | "read" | "write" | "net" | "run" | "sys";
}

/** A stream of a terminal's, or of what stands in its place. */
interface OutputPart {
  isTerminal(): boolean;
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
}

/** What Deno has under these names. */
export interface System {
  readonly args: readonly string[];
  readonly build: { readonly os: string; readonly arch: string };
  readonly env: {
    get(name: string): string | undefined;
    delete(name: string): void;
    toObject(): Record<string, string>;
  };
  readonly errors: Readonly<Record<ErrorKind, ErrorClass>>;
  readonly noColor: boolean;
  readonly permissions: {
    querySync(permission: Permission): { readonly state: string; readonly partial?: boolean };
  };
  readonly stdin: {
    readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
    isTerminal(): boolean;
    read(into: Uint8Array): Promise<number | null>;
  };
  readonly stdout: OutputPart;
  readonly stderr: OutputPart;
  readonly version: { readonly deno: string; readonly v8: string };
  addSignalListener(signal: "SIGINT" | "SIGTERM" | "SIGHUP", handler: () => void): void;
  removeSignalListener(signal: "SIGINT" | "SIGTERM" | "SIGHUP", handler: () => void): void;
  consoleSize(): { readonly columns: number };
  cwd(): string;
  execPath(): string;
  exit(code: number): never;
  link(from: string, to: string): Promise<void>;
  lstat(path: string): Promise<Stat>;
  makeTempFileSync(options: { dir?: string | undefined; prefix: string; suffix: string }): string;
  memoryUsage(): { readonly rss: number };
  mkdir(path: string, options: { readonly recursive: true }): Promise<void>;
  open(path: string | URL, options?: OpenOptions): Promise<SystemFile>;
  openSync(path: string | URL, options: OpenOptions): SystemFile;
  readDir(path: string): AsyncIterable<Entry>;
  readDirSync(path: string): Iterable<Entry>;
  readFile(
    path: string | URL,
    options: { readonly signal?: AbortSignal | undefined },
  ): Promise<Uint8Array<ArrayBuffer>>;
  readTextFile(
    path: string | URL,
    options: { readonly signal?: AbortSignal | undefined },
  ): Promise<string>;
  realPath(path: string | URL): Promise<string>;
  remove(path: string): Promise<void>;
  removeSync(path: string): void;
  rename(from: string, to: string): Promise<void>;
  stat(path: string | URL): Promise<Stat>;
  statSync(path: string | URL): Stat;
}
