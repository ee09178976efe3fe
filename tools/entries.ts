/**
 * What each entry of `deno.json` brings: `deno run --allow-read --allow-run tools/entries.ts` prints
 * a table of the modules and bytes that a program loads at once, of those that may follow, and of the
 * packages among them, which Deno fetches before the program runs.
 *
 * @module
 */

/** What an entry brings. */
export interface Cost {
  /** The package's own modules that are loaded with it, and their bytes. */
  readonly modules: number;
  readonly bytes: number;
  /** Those that Deno fetches with it, as they may be imported later. */
  readonly laterModules: number;
  readonly laterBytes: number;
  /** Packages of npm that are fetched with it, by name. */
  readonly packages: readonly string[];
  /** Paths of all its modules, from the root. */
  readonly paths: readonly string[];
}

interface Info {
  readonly modules: readonly {
    readonly specifier: string;
    readonly size?: number;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier: string };
      readonly isDynamic?: boolean;
    }[];
  }[];
  readonly redirects: Readonly<Record<string, string>>;
}

/** The entries: their names in `deno.json`, and their files. */
export async function entriesOf(root: URL): Promise<[name: string, path: string][]> {
  const { exports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  return Object.entries(exports);
}

/** Finds out what an entry brings. Types bring nothing. */
export async function costOf(root: URL, path: string): Promise<Cost> {
  const { modules, redirects }: Info = JSON.parse(
    await deno(root, ["info", "--json", "--no-lock", path]),
  );
  const found = new Map(modules.map((module) => [module.specifier, module]));
  const entry = new URL(path, root).href;
  const reach = (isLater: boolean): Set<string> => {
    const reached = new Set([entry]);
    for (const specifier of reached) {
      for (const { code, isDynamic } of found.get(specifier)?.dependencies ?? []) {
        if (code === undefined || isDynamic && !isLater) continue;
        reached.add(redirects[code.specifier] ?? code.specifier);
      }
    }
    return reached;
  };
  const own = (specifiers: Set<string>): string[] =>
    [...specifiers].filter((specifier) => specifier.startsWith(root.href));
  const bytesOf = (specifiers: readonly string[]): number =>
    specifiers.reduce((sum, specifier) => sum + (found.get(specifier)?.size ?? 0), 0);
  const now = own(reach(false)), all = reach(true), later = own(all);
  const packages = [...all].flatMap((specifier) =>
    /^npm:\/?((?:@[^/]+\/)?[^@/]+)/.exec(specifier)?.[1] ?? []
  );
  return {
    ...{ modules: now.length, bytes: bytesOf(now) },
    ...{ laterModules: later.length, laterBytes: bytesOf(later) },
    packages: [...new Set(packages)].sort(),
    paths: later.map((specifier) => specifier.slice(root.href.length)),
  };
}

/** Runs Deno, and gives what it prints. */
export async function deno(root: URL, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  const root = new URL("../", import.meta.url);
  console.log("| entry | modules, kB at once | and later | packages |\n|---|---|---|---|");
  for (const [name, path] of await entriesOf(root)) {
    const { modules, bytes, laterModules, laterBytes, packages } = await costOf(root, path);
    const kB = (bytes: number): string => (bytes / 1000).toFixed(0);
    const words = packages.map((name) => `\`${name}\``).join(", ");
    console.log(
      `| \`${name}\` | ${modules}, ${kB(bytes)} | ${laterModules}, ${kB(laterBytes)} | ${words} |`,
    );
  }
}
