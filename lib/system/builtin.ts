/** Node's own modules, without an import that a bundler for browsers would look for. */

interface Builtins {
  "node:child_process": typeof import("node:child_process");
  "node:crypto": typeof import("node:crypto");
  "node:dns/promises": typeof import("node:dns/promises");
  "node:fs": typeof import("node:fs");
  "node:http": typeof import("node:http");
  "node:https": typeof import("node:https");
  "node:net": typeof import("node:net");
  "node:os": typeof import("node:os");
  "node:path": typeof import("node:path");
  "node:stream": typeof import("node:stream");
  "node:tty": typeof import("node:tty");
  "node:url": typeof import("node:url");
  "node:worker_threads": typeof import("node:worker_threads");
}

/** Loads one; `undefined` where there is none, as in a browser. Deno, Bun and Node from 22.3 on have them. */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  return process?.getBuiltinModule?.(name) as Builtins[Name] | undefined;
}

/**
 * Loads one that cannot be done without.
 *
 * @throws {Error} If there is none.
 */
export function needed<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  const found = builtin(name);
  if (found === undefined) throw new Error(`This needs ${name}, which browsers have not`);
  return found;
}
