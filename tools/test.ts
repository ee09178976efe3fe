/**
 * All tests: `deno task test [--shuffle[=SEED]] [--ignore=PATH] [--jobs=N] [--junit-path=FILE] [PATH...]`; other
 * options are those of `deno test`.
 *
 * As many processes as there are cores, at most four, take files in turn. A process runs its files one after the other, since
 * tests look at their process: at its memory, its threads, its environment. What it printed is shown once it has ended, and
 * the names of all tests that failed at the end.
 *
 * @module
 */

import { unescape } from "@std/html/entities";
import { join, resolve } from "@std/path";
import { SLOW } from "../tests/slow.ts";
import { ROOT, sample } from "./mutated_copy.ts";

/** Files of a process at most. */
const MOST = 16;
/** Processes at most: each may need a gigabyte. */
const MOST_JOBS = 4;

/** Test files in folders, in the order of their names. */
export function testFiles(paths: readonly string[], ignored: readonly string[]): string[] {
  const isIgnored = (path: string): boolean =>
    ignored.some((given) => `${path}/`.startsWith(`${given.replace(/\/+$/, "")}/`));
  const filesIn = (path: string): string[] => {
    if (isIgnored(path)) return [];
    if (Deno.statSync(resolve(ROOT, path)).isFile) return [path];
    return [...Deno.readDirSync(resolve(ROOT, path))]
      .filter(({ name, isDirectory }) => isDirectory || name.endsWith("_test.ts"))
      .flatMap(({ name }) => filesIn(join(path, name)));
  };
  return [...new Set(paths.flatMap(filesIn))].sort();
}

/** Takes files for a process: fewer and fewer, so that all processes end at about the same time. */
export function deal(waiting: string[], jobs: number): string[] {
  return waiting.splice(0, Math.min(MOST, Math.ceil(waiting.length / jobs / 4)));
}

/** What a report of `deno test --junit-path` says. */
export interface Outcome {
  readonly passed: number;
  readonly ignored: number;
  /** Tests, and where they are. */
  readonly failed: readonly string[];
  /** Its test suites, as they stand there. */
  readonly suites: string;
}

/** Reads a report. */
export function outcomeOf(report: string): Outcome {
  const suites = /<testsuites[^>]*>\n?(.*)<\/testsuites>/s.exec(report)?.[1] ?? "";
  const tests = suites.split("<testcase ").slice(1);
  const ignored = tests.filter((test) => test.includes("<skipped")).length;
  const failed = tests.filter((test) => test.includes("<failure")).map((test) => {
    const [, name = "", file = ""] = /^name="([^"]*)" classname="([^"]*)"/.exec(test) ?? [];
    return `${unescape(name)} => ${file}`;
  });
  return { passed: tests.length - ignored - failed.length, ignored, failed, suites };
}

/** Runs some files in a process of their own. */
async function run(files: readonly string[], options: readonly string[]): Promise<Outcome> {
  const report = await Deno.makeTempFile({ suffix: ".xml" });
  try {
    const own = ["--allow-all", "--no-check", "--no-lock", `--junit-path=${report}`];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", ...own, ...options, ...files],
      cwd: ROOT,
      stdin: "null",
    }).output();
    for (const bytes of [stdout, stderr]) console.log(new TextDecoder().decode(bytes).trimEnd());
    const outcome = outcomeOf(await Deno.readTextFile(report));
    if (success || outcome.failed.length > 0) return outcome;
    return { ...outcome, failed: [`what is around the tests of ${files.join(", ")}`] };
  } finally {
    await Deno.remove(report);
  }
}

/** What the command line says. */
function readArguments(args: readonly string[]) {
  const paths: string[] = [], ignored: string[] = [], options: string[] = [];
  let jobs = Math.min(MOST_JOBS, navigator.hardwareConcurrency);
  let report: string | undefined, seed: number | undefined;
  for (const arg of args) {
    const [, name, value] = /^(--[^=]+)=?(.*)$/.exec(arg) ?? [];
    if (name === undefined) paths.push(arg);
    else if (name === "--ignore") ignored.push(...value!.split(","));
    else if (name === "--jobs") jobs = Number(value);
    else if (name === "--junit-path") report = value;
    else if (name === "--shuffle") seed = Number(value || Math.floor(Math.random() * 2 ** 31));
    else options.push(arg);
  }
  if (!Number.isInteger(jobs) || jobs < 1 || seed !== undefined && !Number.isInteger(seed)) {
    throw new RangeError("--jobs and --shuffle need a number");
  }
  return { paths: paths.length > 0 ? paths : ["tests"], ignored, options, jobs, report, seed };
}

if (import.meta.main) {
  const started = Date.now();
  const { paths, ignored, options, jobs, report, seed } = readArguments(Deno.args);
  const files = testFiles(paths, ignored);
  const waiting = seed === undefined ? [...files] : sample([...files], files.length, seed);
  // Those that take long come first: one that began last would be waited for.
  const isSlow = (file: string): boolean => SLOW.has(file.replace(/^tests\//, ""));
  waiting.sort((a, b) => Number(isSlow(b)) - Number(isSlow(a)));
  if (seed !== undefined) options.push(`--shuffle=${seed}`);
  const outcomes: Outcome[] = [];
  await Promise.all(Array.from({ length: jobs }, async () => {
    while (waiting.length > 0) outcomes.push(await run(deal(waiting, jobs), options));
  }));
  if (report !== undefined) {
    const suites = outcomes.map((outcome) => outcome.suites).join("");
    await Deno.writeTextFile(report, `<testsuites name="deno test">\n${suites}</testsuites>\n`);
  }
  const sum = (of: "passed" | "ignored"): string =>
    outcomes.reduce((total, outcome) => total + outcome[of], 0).toLocaleString("en");
  const failed = outcomes.flatMap((outcome) => outcome.failed);
  if (failed.length > 0) console.log(["", "FAILED:", ...failed].join("\n"));
  const minutes = ((Date.now() - started) / 60_000).toFixed(1);
  console.log(
    `\nThe tests of ${files.length} files: ${sum("passed")} passed, ${failed.length} failed, ` +
      `${sum("ignored")} ignored; ${minutes} minutes, ${jobs} at a time`,
  );
  Deno.exitCode = failed.length === 0 ? 0 : 1;
}
