/**
 * What a thread can reach, found out from within it, as code would that has got into its hands: by
 * names, by way of objects, and by what only a module's own text can say.
 *
 * @module
 */

/** Ways out, and how each is tried. It is there if nothing is thrown and something comes of it. */
const WAYS: Readonly<Record<string, (() => unknown)[]>> = {
  "the environment": [
    () => Deno.env.toObject(),
    () => named("process").env,
  ],
  "files": [
    () => Deno.readTextFileSync(new URL(import.meta.url)),
    () => named("require")("node:fs"),
    () => named("localStorage"),
    () => named("caches"),
  ],
  "the network": [
    () => Deno.listen({ port: 0 }),
    () => fetch("data:,"),
    () => new WebSocket("ws://127.0.0.1:9"),
    () => named("EventSource"),
    () => named("WebTransport"),
  ],
  "processes and native code": [
    () => new Deno.Command(Deno.execPath()),
    () => Deno.dlopen,
    () => named("process"),
    () => named("navigator").gpu,
  ],
  "other threads": [
    () => new Worker("data:text/javascript,", { type: "module" }),
    () => new BroadcastChannel("reach"),
    () => new MessageChannel(),
    () => named("navigator").locks,
  ],
  "whoever started it": [
    () => named("postMessage"),
    () => named("close"),
    () => named("onmessage"),
  ],
  "the terminal": [
    () => named("prompt"),
    () => named("alert"),
    () => String(console.log).includes("native code") || String(console.log).length > 20,
  ],
  "code made of text": [
    () => (0, eval)("1"),
    () => new Function("return 1")(),
    () => named("setTimeout"),
    ...[function () {}, async () => {}, function* () {}, async function* () {}].map(
      (kind) => () => kind.constructor("return 1"),
    ),
  ],
  "the runtime's own modules, by `import()`": [
    async () => (await import("node:fs")).readFileSync(new URL(import.meta.url)),
  ],
  "the environment, by `import()`": [
    async () => Object.keys((await import("node:process")).default.env).length,
  ],
};

// deno-lint-ignore no-explicit-any -- whatever there is
const named = (name: string): any => Reflect.get(globalThis, name);

/** What was found. */
export interface Report {
  /** For each way whether something was there. */
  readonly ways: Readonly<Record<string, boolean>>;
  /** Names of all functions and classes that the global object leads to. */
  readonly functions: readonly string[];
}

export async function lookRound(): Promise<Report> {
  return { ways: await waysOut(), functions: reachableFunctions() };
}

async function waysOut(): Promise<Record<string, boolean>> {
  const found: Record<string, boolean> = {};
  for (const [way, tries] of Object.entries(WAYS)) {
    found[way] = false;
    for (const tried of tries) {
      try {
        found[way] ||= Boolean(await tried());
      } catch {
        // Not there.
      }
    }
  }
  return found;
}

function reachableFunctions(): string[] {
  const seen = new Set<unknown>();
  const waiting: unknown[] = [globalThis, async () => {}, function* () {}, async function* () {}];
  for (const value of waiting) {
    if (seen.has(value) || Object(value) !== value) continue;
    seen.add(value);
    waiting.push(Object.getPrototypeOf(value));
    for (const key of Reflect.ownKeys(value as object)) {
      const { get, set, value: own } = Object.getOwnPropertyDescriptor(value, key)!;
      waiting.push(get, set, own);
      if (get === undefined) continue;
      try {
        const got: unknown = Reflect.get(value as object, key);
        if (got instanceof Promise) got.catch(() => {});
        waiting.push(got);
      } catch {
        // Of another object than a prototype.
      }
    }
  }
  const functions = [...seen].filter((value) => typeof value === "function");
  return [...new Set(functions.map(({ name }) => name))].sort();
}
