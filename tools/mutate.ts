/**
 * What the tests notice: changes one place of `lib/` at a time in a copy, and runs the tests that reach it.
 *
 * `deno task mutate [--only PATH] [--sample N] [--seed N] [--jobs N]`. A mutant that no test notices survived, and
 * is printed with its place. Results are kept in `.cache/mutants.json`, so that a run that was stopped goes on; what
 * has changed since is tried again, and with `--again` what survived. A test counts only if it passes without a
 * mutant. `--jobs 2` tries two at a time.
 *
 * `deno task mutate --chosen` tries those of `tests/mutants/` instead, and exits with 1 if one survives. With
 * `--sample N` it draws some of them, by the date unless `--seed` is given.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { basename, dirname, join, relative } from "@std/path";
import { runChosen } from "./chosen_mutants.ts";
import { LIMIT_S, MutatedCopy, ROOT, sample, type TestRun, trackedFiles } from "./mutated_copy.ts";
import type { Mutant } from "./mutants.ts";

const CACHE = join(ROOT, ".cache");
const RESULTS = join(CACHE, "mutants.json");
/** Test files that are tried for a mutant, those that are nearest to it first. */
const MOST_TESTS = 8;
/** Seconds after which no further test of a mutant is begun. */
const MOST_S = 60;
/** What a test says that starts the command line as a process. */
const STARTS = /cli\.ts|run_cli/;

interface Result {
  readonly outcome: "killed" | "survived" | "no test";
  /** The test file that noticed. */
  readonly by?: string | undefined;
  /** Those that did not. */
  readonly tried?: readonly string[];
}

/** Of each test, the modules of `lib/` that it reaches, and in how many steps of import. */
type Reach = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** One change, and the module that it is in. */
interface Place {
  readonly path: string;
  readonly source: string;
  readonly mutant: Mutant;
}

const { values: flags } = parseArgs({
  options: {
    again: { type: "boolean", default: false },
    chosen: { type: "boolean", default: false },
    jobs: { type: "string", default: "1" },
    only: { type: "string", multiple: true, default: ["lib/"] },
    sample: { type: "string", default: "Infinity" },
    seed: { type: "string" },
  },
});

const tracked = await trackedFiles();
const modules = tracked.filter((path) =>
  /^lib\/.*\.ts$/.test(path) && !/\/kernels\/|_binary\.ts$/.test(path) &&
  flags.only.some((only) => path.startsWith(only))
);
const tests = tracked.filter((path) => /^tests\/.*_test\.ts$/.test(path));

if (flags.chosen) {
  const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
  const areKilled = await runChosen({
    only: flags.only,
    sample: Number(flags.sample),
    seed: Number(flags.seed ?? day),
  });
  Deno.exit(areKilled ? 0 : 1);
}
/** How each test ends without a mutant, once it has been asked for. */
const unchanged = new Map<string, Promise<TestRun>>();
await run();

async function run(): Promise<void> {
  // It brings TypeScript, which hand-chosen mutants do without.
  const { mutantsOf } = await import("./mutants.ts");
  const reach = await reachOf();
  const known: Record<string, Result> = await readJson(RESULTS) ?? {};
  const drawn: readonly Place[] = sample(
    modules.flatMap((path) => {
      const source = Deno.readTextFileSync(join(ROOT, path));
      return mutantsOf(path, source).map((mutant) => ({ path, source, mutant }));
    }),
    Number(flags.sample),
    Number(flags.seed ?? 1),
  );
  const results = new Map<Place, Result>(), waiting = drawn.values();
  const work = async (): Promise<void> => {
    await using copy = await MutatedCopy.of(tracked);
    for (const place of waiting) {
      const key = await keyOf(place);
      const isKnown = known[key] !== undefined && !(flags.again && known[key].outcome !== "killed");
      const result = isKnown ? known[key]! : await tryMutant(copy, place, reach);
      known[key] = result;
      results.set(place, result);
      await Deno.mkdir(CACHE, { recursive: true });
      // At once, so that no other job writes between.
      Deno.writeTextFileSync(RESULTS, JSON.stringify(known, null, 1));
      if (result.outcome !== "killed") console.log(`${result.outcome}: ${described(place)}`);
    }
  };
  await Promise.all(Array.from({ length: Number(flags.jobs) }, work));
  printCounts(results);
}

function described({ path, source, mutant: { begin, end, text, line, operator } }: Place): string {
  const before = source.slice(begin, end).replace(/\s+/g, " ").slice(0, 80);
  return `${path}:${line} ${operator}: ${before} -> ${text.slice(0, 60)}`;
}

/** Prints a line for each folder, and one for all. */
function printCounts(results: ReadonlyMap<Place, Result>): void {
  const rooms = Map.groupBy(results, ([{ path }]) => path.split("/").slice(0, 2).join("/"));
  const killed = (of: Iterable<[Place, Result]>): number =>
    [...of].filter(([, { outcome }]) => outcome === "killed").length;
  for (const [room, of] of [...rooms].toSorted()) {
    console.log(`${room}: ${killed(of)} of ${of.length}`);
  }
  const total = results.size, all = killed(results);
  const unreached = [...results.values()].filter(({ outcome }) => outcome === "no test").length;
  const share = total === 0 ? 0 : Math.round(1000 * all / total) / 10;
  console.log(
    `${all} of ${total} killed (${share} %), ${total - all - unreached} survived, ` +
      `${unreached} reached by no test`,
  );
}

async function tryMutant(
  copy: MutatedCopy,
  { path, source, mutant: { begin, end, text } }: Place,
  reach: Reach,
): Promise<Result> {
  const covering = testsFor(path, reach);
  if (covering.length === 0) return { outcome: "no test" };
  const changed = source.slice(0, begin) + text + source.slice(end);
  const tried: string[] = [];
  let seconds = 0;
  for (const test of covering) {
    if (seconds > MOST_S) break;
    if (!unchanged.has(test)) unchanged.set(test, copy.test(test));
    const without = await unchanged.get(test)!;
    if (without.outcome !== "passed") continue;
    // Far longer than without: it waits for what does not come.
    const limit = Math.min(LIMIT_S, 20 + 5 * without.seconds);
    const run = await copy.with(path, changed, () => copy.test(test, { limit }));
    if (run.outcome === "failed" || run.outcome === "hung") return { outcome: "killed", by: test };
    tried.push(test);
    seconds += run.seconds;
  }
  return { outcome: "survived", tried };
}

/**
 * The tests that reach a module, however far away: that of its own name first, then those that import it themselves or
 * in few steps, those near to its folder, and those with the least else.
 */
function testsFor(path: string, reach: Reach): string[] {
  const folder = dirname(path).replace(/^lib/, "tests");
  // A file that is called as many others are, such as `read.ts`, is tested by the name of its folder.
  const stem = path.replace(/^.*\/|\.ts$/g, ""), room = basename(folder);
  const distance = (test: string): number => {
    const isOwn = test.endsWith(`/${stem}_test.ts`), isOfFolder = test.endsWith(`/${room}_test.ts`);
    const shared = commonParts(folder, dirname(test)), reached = reach.get(test)!;
    return (isOwn ? 0 : isOfFolder ? 500 : 1000) + 100 * reached.get(path)! - 50 * shared +
      reached.size / 100;
  };
  return tests.filter((test) => reach.get(test)?.has(path))
    .toSorted((a, b) => distance(a) - distance(b)).slice(0, MOST_TESTS);
}

function commonParts(a: string, b: string): number {
  const [left, right] = [a.split("/"), b.split("/")];
  const first = left.findIndex((part, index) => part !== right[index]);
  return first < 0 ? left.length : first;
}

/** Which modules of `lib/` each test imports, or reaches as it starts the command line, in how many steps. */
async function reachOf(): Promise<Reach> {
  const reach = new Map<string, ReadonlyMap<string, number>>();
  const waiting = [...tests], ofProgram = await modulesOf("cli.ts");
  const work = async (): Promise<void> => {
    for (let test = waiting.pop(); test !== undefined; test = waiting.pop()) {
      const startsProgram = STARTS.test(await Deno.readTextFile(join(ROOT, test)));
      const own = await modulesOf(test), program = startsProgram ? ofProgram : [];
      reach.set(test, new Map([...program, ...own]));
    }
  };
  await Promise.all([work(), work()]);
  return reach;
}

/** What `deno info --json` tells of a module. */
interface ModuleInfo {
  readonly specifier: string;
  readonly local?: string;
  /** `type` alone of what is imported under a name that is computed. */
  readonly dependencies?: readonly Partial<Record<"code" | "type", { specifier?: string }>>[];
}

/** The modules of `lib/` that a module imports, at once or later, in how many steps. */
async function modulesOf(module: string): Promise<Map<string, number>> {
  const text = await output("deno", ["info", "--json", "--no-lock", module]);
  const { roots, modules } = JSON.parse(text) as { roots: string[]; modules: ModuleInfo[] };
  const known = new Map(modules.map((own) => [own.specifier, own]));
  const steps = new Map(roots.map((root) => [root, 0]));
  // A map goes on through what is put into it meanwhile.
  for (const [specifier, step] of steps) {
    for (const { code, type } of known.get(specifier)?.dependencies ?? []) {
      const next = (code ?? type)?.specifier;
      if (next !== undefined && !steps.has(next)) steps.set(next, step + 1);
    }
  }
  const paths = [...steps].flatMap(([specifier, step]): [string, number][] => {
    const local = known.get(specifier)?.local;
    return local === undefined ? [] : [[relative(ROOT, local), step]];
  });
  return new Map(paths.filter(([path]) => path.startsWith("lib/")));
}

/** The same mutant of the same text, beside the same tests. */
async function keyOf({ path, source, mutant: { begin, text } }: Place): Promise<string> {
  const bytes = new TextEncoder().encode(source);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `${path} ${hash.slice(0, 8).toHex()} ${begin} ${text}`;
}

async function output(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, cwd: ROOT }).output();
  if (!success) {
    throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
  return new TextDecoder().decode(stdout);
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
