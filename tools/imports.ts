/**
 * Who may import whom: `deno task check:imports` fails on an import against the table below, on a
 * cycle, and where a module asks the runtime by itself. Imports of types count too.
 *
 * @module
 */

import { fromFileUrl, relative, toFileUrl } from "@std/path";

/** What every room may import, and which of each other. */
const COMMON: Readonly<Record<string, readonly string[]>> = {
  "errors.ts": [],
  "cleanup.ts": [],
  "encoding.ts": [],
  "streams.ts": [],
  "version.ts": [],
  "progress.ts": [],
  "calls.ts": ["errors.ts"],
  "public_url.ts": [],
  "urls.ts": ["public_url.ts"],
  "system": [],
  "platform.ts": ["errors.ts", "system"],
  "environment.ts": ["platform.ts"],
  // Options' values are of the model's types.
  "options.ts": ["errors.ts", "platform.ts", "options", "io types", "model types"],
  "options": ["errors.ts", "platform.ts", "options.ts"],
  // What is heavy is known by its type alone.
  "module_name.ts": [],
  "provided.ts": ["module_name.ts", "engine types", "convert types", "io types"],
  "threads": ["errors.ts", "platform.ts", "cleanup.ts", "system"],
};

/** Everything that makes one answer of one image. */
const INFERENCE = ["io", "image", "model", "engine", "input", "output"];

/**
 * The rooms of `lib/`, and what each may import besides itself and {@linkcode COMMON}:
 * `engine types` are the types of `engine` alone.
 */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  "io": [],
  "image": [],
  "model": ["io"],
  "report": ["image"],
  "engine": ["model", "io"],
  "input": ["image", "model", "engine types"],
  "output": ["model", "engine types"],
  "convert": ["model", "io", "engine", "input", "image"],
  "open_model.ts": ["model", "io", "convert"],
  "worker_modules.ts": ["io", "image", "engine"],
  "explain": [...INFERENCE, "open_model.ts", "report"],
  "classifier.ts": [...INFERENCE, "open_model.ts", "explain"],
  "compose": [...INFERENCE, "classifier.ts"],
  "evaluate": [...INFERENCE, "open_model.ts", "report", "classifier.ts"],
  "search": [...INFERENCE, "open_model.ts", "report", "classifier.ts types"],
  "train": [...INFERENCE, "convert", "open_model.ts", "report"],
  "http": [...INFERENCE, "report", "explain", "classifier.ts", "compose"],
  "cli": [
    ...INFERENCE,
    ...["convert", "open_model.ts", "report", "explain", "evaluate", "train", "search"],
    ...["classifier.ts", "compose"],
  ],
};

/** Who may say `Deno.`: what the others ask for the runtime. */
const MAY_SAY_DENO = ["lib/system/system.ts", "lib/system/types.ts"];

/** Who may write to the console: what escapes it, and who says only its own words. */
const MAY_SAY_CONSOLE = [
  "lib/cli/terminal.ts",
  "lib/environment.ts",
  "lib/http/server/telemetry.ts",
];

/** One import: from a module to another, where it is written. */
export interface Import {
  readonly from: string;
  readonly to: string;
  /** One-based. */
  readonly line: number;
  readonly isType: boolean;
  /** Whether it is one of types, or by `import()`: nothing is loaded with the module. */
  readonly isLater?: boolean;
}

/**
 * Finds what is against the table.
 *
 * @param imports Paths are relative to the root of the project, such as `lib/io/hash.ts`.
 * @returns A sentence for each fault.
 */
export function faultsOf(imports: readonly Import[]): string[] {
  const own = imports.filter(({ from, to }) => from.startsWith("lib/") && !to.startsWith("node:"));
  const faults = own.flatMap((link) => {
    const from = roomOf(link.from), to = roomOf(link.to);
    if (from === undefined || from === "entries" || from === to) return [];
    const where = `${link.from}:${link.line} imports ${link.to}`;
    if (to === undefined) return [`${where}, which is outside lib/`];
    const may = COMMON[from] ?? ROOMS[from]?.concat(Object.keys(COMMON));
    if (may === undefined) return [`${where}: the room ${from} is not in the table`];
    if (may.includes(to) || link.isType && may.includes(`${to} types`)) return [];
    return [`${where}: ${from} may import ${may.join(", ")}`];
  });
  return [...faults, ...cyclesOf(own).map((cycle) => `A cycle: ${cycle.join(" -> ")}`)];
}

/** What a browser or a Worker loads: these, and what they import at once. */
const BROWSER_ENTRIES = [
  "mod.ts",
  ...["edge", "image", "worker"].map((name) => `lib/entries/${name}.ts`),
];

/**
 * Finds which modules of a browser import one of Node's: without `import()`, which is tried where
 * such a module is there.
 */
export function nodeFaultsOf(
  imports: readonly Import[],
  entries: readonly string[] = BROWSER_ENTRIES,
): string[] {
  const targets = Map.groupBy(imports.filter((link) => !link.isLater), ({ from }) => from);
  const loaded = new Set(entries);
  const faults: string[] = [];
  for (const path of loaded) {
    for (const { to, line } of targets.get(path) ?? []) {
      if (to.startsWith("node:")) {
        faults.push(`${path}:${line} imports ${to}, which no browser has`);
      } else loaded.add(to);
    }
  }
  return faults;
}

/** `lib/io/hash.ts` -> `io`; `lib/errors.ts` -> `errors.ts`; undefined outside `lib/`. */
function roomOf(path: string): string | undefined {
  const [root, room] = path.split("/");
  return root === "lib" ? room : undefined;
}

/** Finds where a module says `Deno.` or `console.` outside comments, and may not. */
export function runtimeFaultsOf(path: string, source: string): string[] {
  return source.split("\n").flatMap((line, index) => {
    const says = (word: string, who: readonly string[]): boolean =>
      new RegExp(`^(?!\\s*(\\*|//|/\\*)).*\\b${word}\\.`).test(line) && !who.includes(path);
    const where = `${path}:${index + 1} says`;
    return [
      ...says("Deno", MAY_SAY_DENO) ? [`${where} Deno: lib/system/system.ts says it for all`] : [],
      ...says("console", MAY_SAY_CONSOLE)
        ? [`${where} console: lib/cli/terminal.ts prints what no terminal obeys`]
        : [],
    ];
  });
}

/** The modules of each cycle, the first one again at the end. */
function cyclesOf(imports: readonly Import[]): string[][] {
  const targets = Map.groupBy(imports, ({ from }) => from);
  const cycles: string[][] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path);
    if (start >= 0) cycles.push([...way.slice(start), path]);
    if (start >= 0 || done.has(path)) return;
    for (const { to } of targets.get(path) ?? []) visit(to, [...way, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return cycles;
}

/** What `deno info --json` says of a module, as far as it is needed. */
interface ModuleInfo {
  readonly specifier: string;
  readonly error?: string;
  readonly dependencies?: readonly {
    readonly code?: Target;
    readonly type?: Target;
    readonly isDynamic?: boolean;
  }[];
}

interface Target {
  readonly specifier: string;
  readonly span: { readonly start: { readonly line: number } };
}

/** An import that only has a module in the graph: a thread's, or one of WebAssembly. */
const NEVER = /if \(false\) (return )?import\(/;

/** The imports of a project's own TypeScript modules, of each other and of Node's, found by Deno itself. */
export async function importsOf(root: URL, modules: readonly URL[]): Promise<Import[]> {
  const all = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(all, modules.map(({ href }) => `import "${href}";\n`).join(""));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-lock", "--config", new URL("deno.json", root).pathname, all],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const infos: ModuleInfo[] = JSON.parse(new TextDecoder().decode(stdout)).modules;
    const path = (specifier: string): string => relative(fromFileUrl(root), fromFileUrl(specifier));
    const isOurs = (specifier: string): boolean =>
      specifier.startsWith(root.href) && /\.[jt]s$/.test(specifier);
    return infos.filter(({ specifier }) => isOurs(specifier)).flatMap((info) => {
      if (info.error !== undefined) throw new Error(`${info.specifier}: ${info.error}`);
      const lines = Deno.readTextFileSync(new URL(info.specifier)).split("\n");
      return (info.dependencies ?? []).flatMap(({ code, type, isDynamic = false }) => {
        const target = code ?? type;
        if (target === undefined || NEVER.test(lines[target.span.start.line]!)) return [];
        const isNode = target.specifier.startsWith("node:");
        if (!isNode && !isOurs(target.specifier)) return [];
        return [{
          from: path(info.specifier),
          to: isNode ? target.specifier : path(target.specifier),
          line: target.span.start.line + 1,
          isType: code === undefined,
          isLater: code === undefined || isDynamic,
        }];
      });
    });
  } finally {
    await Deno.remove(all);
  }
}

/** The modules below a folder; kernels are written in another language. */
export function* modulesBelow(folder: URL): Generator<URL> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const url = new URL(name + (isDirectory ? "/" : ""), folder);
    if (isDirectory) yield* modulesBelow(url);
    else if (name.endsWith(".ts") && !isKernel(url)) yield url;
  }
}

function isKernel({ pathname }: URL): boolean {
  return /\/lib\/(engine\/wasm|search|train)\/kernels\//.test(pathname);
}

if (import.meta.main) {
  const root = toFileUrl(Deno.cwd() + "/");
  const modules = [...modulesBelow(new URL("lib/", root))];
  const imports = await importsOf(root, [...modules, new URL("mod.ts", root)]);
  const faults = [...faultsOf(imports), ...nodeFaultsOf(imports)];
  for (const url of modules) {
    const path = relative(fromFileUrl(root), fromFileUrl(url));
    faults.push(...runtimeFaultsOf(path, await Deno.readTextFile(url)));
  }
  for (const fault of faults) console.error(fault);
  console.log(`${modules.length} modules, ${imports.length} imports, ${faults.length} faults`);
  Deno.exitCode = faults.length === 0 ? 0 : 1;
}
