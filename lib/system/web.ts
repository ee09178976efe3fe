/** A browser or a Worker: there are no files, no variables and no terminal. */

import type { ErrorClass, System } from "./types.ts";

/** A class of errors with a name of its own. */
export function errorClass(name: string): ErrorClass {
  return class extends Error {
    override readonly name = name;
  };
}

/** What does not need any; the rest says that there is none. */
export function webSystem(): System {
  const NotCapable = errorClass("NotCapable");
  const missing = (): never => {
    throw new NotCapable(
      "There are no files here: give bytes, a Blob or a whole URL, as new URL(path, location.href) is",
    );
  };
  const away = (): Promise<never> => Promise.reject().catch(missing);
  const silent = {
    isTerminal: () => false,
    write: (bytes: Uint8Array) => Promise.resolve(bytes.length),
    writeSync: (bytes: Uint8Array) => bytes.length,
  };
  return {
    args: [],
    build: { os: "web", arch: "wasm" },
    env: { get: () => undefined, delete() {}, toObject: () => ({}) },
    errors: {
      AlreadyExists: errorClass("AlreadyExists"),
      BrokenPipe: errorClass("BrokenPipe"),
      IsADirectory: errorClass("IsADirectory"),
      NotADirectory: errorClass("NotADirectory"),
      NotCapable,
      NotFound: errorClass("NotFound"),
      PermissionDenied: errorClass("PermissionDenied"),
      WouldBlock: errorClass("WouldBlock"),
    },
    noColor: true,
    permissions: {
      querySync: ({ name }) => ({ state: name === "net" ? "granted" : "denied" }),
    },
    stdin: {
      get readable(): never {
        return missing();
      },
      isTerminal: () => false,
      read: away,
    },
    stdout: silent,
    stderr: silent,
    version: { deno: "", v8: "" },
    addSignalListener() {},
    removeSignalListener() {},
    consoleSize: missing,
    cwd: missing,
    execPath: missing,
    exit: missing,
    link: away,
    lstat: away,
    makeTempFileSync: missing,
    memoryUsage: () => ({ rss: NaN }),
    mkdir: away,
    open: away,
    openSync: missing,
    readDir: missing,
    readDirSync: missing,
    readFile: away,
    readTextFile: away,
    realPath: away,
    remove: away,
    removeSync: missing,
    rename: away,
    stat: away,
    statSync: missing,
  };
}
