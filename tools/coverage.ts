/**
 * Which lines of `lib/` the tests run: `deno task coverage [TEST...]`, by default all of them.
 *
 * Programs that a test starts count, and so do threads. Prints a line for each file, those of a folder together, and a
 * table of the folders; exits with 1 if a test fails, or if no test reaches a file that has anything to run.
 *
 * @module
 */

import { join, relative } from "@std/path";
import { ROOT, trackedFiles } from "./mutated_copy.ts";
import { JOBS, runTests, testFiles } from "./test.ts";

/** Files that run by their text, which coverage does not see, and the test of each. */
const BY_TEXT: ReadonlyMap<string, string> = new Map([
  ["lib/threads/confine.ts", "tests/threads/reach_test.ts"],
]);

/** Lines of a file, or of all that are in a folder. */
export interface Lines {
  readonly hit: number;
  readonly found: number;
}

/** What a report in LCOV says of each file. */
export function linesOf(lcov: string): Map<string, Lines> {
  const records = lcov.split("end_of_record").filter((record) => record.includes("SF:"));
  return new Map(records.map((record) => {
    const field = (name: string): string => new RegExp(`^${name}:(.*)$`, "m").exec(record)![1]!;
    return [field("SF"), { hit: Number(field("LH")), found: Number(field("LF")) }];
  }));
}

/** By a variable, or the package would be in the lock of whoever imports this module. */
const TYPESCRIPT = "npm:typescript@5.9.3";

/** What is used of it. */
interface Compiler {
  transpileModule(
    source: string,
    options: { readonly compilerOptions: Readonly<Record<string, unknown>> },
  ): { readonly outputText: string };
}

/** Files of `lib/` that have nothing to run: types alone. */
async function withoutCode(paths: readonly string[]): Promise<Set<string>> {
  const { default: ts }: { default: Compiler } = await import(TYPESCRIPT);
  const compilerOptions = { target: "esnext", module: "esnext", removeComments: true };
  const isEmpty = (path: string): boolean =>
    ts.transpileModule(Deno.readTextFileSync(join(ROOT, path)), { compilerOptions })
      .outputText.replace("export {};", "").trim() === "";
  return new Set(paths.filter(isEmpty));
}

/** Removes what processes that tests killed had not written to its end, which is a brace in a line of its own. */
export async function removeCutOff(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (name.endsWith(".json") && !(await Deno.readTextFile(path)).endsWith("\n}")) {
      await Deno.remove(path);
    }
  }
}

const percent = ({ hit, found }: Lines): string =>
  found === 0 ? "-" : (Math.floor(1000 * hit / found) / 10).toFixed(1);

if (import.meta.main) {
  const files = testFiles(Deno.args.length > 0 ? Deno.args : ["tests"], []);
  const folder = await Deno.makeTempDir({ prefix: "coverage-" });
  try {
    Deno.env.set("DENO_COVERAGE_DIR", folder); // For programs that tests start.
    const options = ["--allow-all", "--coverage-raw-data-only", `--coverage=${folder}`];
    const { success: havePassed } = await runTests(files, { jobs: JOBS, options });
    await removeCutOff(folder);
    const report = join(folder, "lcov.info");
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["coverage", "--quiet", "--lcov", `--include=^file://${ROOT}lib/`],
        ...[`--output=${report}`, folder],
      ],
      stdout: "inherit",
      stderr: "inherit",
    }).spawn().status;
    if (!success) throw new Error("deno coverage has failed");
    const covered = linesOf(await Deno.readTextFile(report));
    // WebAssembly's kernels are written in another language.
    const sources = (await trackedFiles()).filter((path) =>
      /^lib\/.*\.ts$/.test(path) && !/^lib\/(engine\/wasm|search|train)\/kernels\//.test(path)
    ).toSorted();
    const isReached = print(
      sources,
      new Map([...covered].map(([path, lines]) => [relative(ROOT, path), lines])),
      await withoutCode(sources),
    );
    Deno.exitCode = havePassed && isReached ? 0 : 1;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** @returns Whether every file that has code is reached. */
function print(
  files: readonly string[],
  covered: ReadonlyMap<string, Lines>,
  empty: ReadonlySet<string>,
): boolean {
  const withCode = files.filter((path) => !empty.has(path) && !BY_TEXT.has(path));
  const unreached = withCode.filter((path) => (covered.get(path)?.hit ?? 0) === 0);
  const rooms = Map.groupBy(withCode, (path) => path.split("/").slice(0, 2).join("/"));
  const none: Lines = { hit: 0, found: 0 };
  for (const path of withCode) console.log(`${percent(covered.get(path) ?? none)} %  ${path}`);
  console.log("\n| folder | files | lines | covered, % |\n|---|---|---|---|");
  for (const [room, paths] of [...rooms, ["all", withCode] as const]) {
    const lines = paths.map((path) => covered.get(path) ?? none);
    const sum = (key: keyof Lines): number => lines.reduce((total, each) => total + each[key], 0);
    const all = { hit: sum("hit"), found: sum("found") };
    console.log(`| \`${room}\` | ${paths.length} | ${all.found} | ${percent(all)} |`);
  }
  for (const path of unreached) console.error(`No test reaches ${path}`);
  return unreached.length === 0;
}
