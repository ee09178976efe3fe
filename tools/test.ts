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
  /** Whether a driver's fault ended the process once all of its tests had passed. */
  readonly isDriversFault?: boolean;
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

/** What `deno test` prints when it is done. */
const PASSED = /\| \d+ passed( \(\d+ steps?\))? \| 0 failed/;

/** What glibc says of a heap that Mesa's software driver has corrupted, at the end of one process in a dozen. */
const CORRUPTED = /^corrupted size vs\. prev_size/m;

/** How tests are run. */
export interface Run {
  /** Processes at a time. */
  readonly jobs: number;
  /** What `deno test` is given besides. */
  readonly options: readonly string[];
  /** From which the order is drawn, of files and tests. */
  readonly seed?: number | undefined;
}

/** What came of all tests. */
export interface Result {
  readonly success: boolean;
  /** As `deno test --junit-path` writes it. */
  readonly report: string;
}

/** Runs the tests of files, and prints what came of them. */
export async function runTests(files: readonly string[], run: Run): Promise<Result> {
  const { jobs, seed } = run, started = Date.now();
  const waiting = seed === undefined ? [...files] : sample([...files], files.length, seed);
  // Those that take long come first: one that began last would be waited for.
  const isSlow = (file: string): boolean => SLOW.has(file.replace(/^tests\//, ""));
  waiting.sort((a, b) => Number(isSlow(b)) - Number(isSlow(a)));
  const outcomes: Outcome[] = [];
  await Promise.all(Array.from({ length: jobs }, async () => {
    while (waiting.length > 0) outcomes.push(await runSome(deal(waiting, jobs), run));
  }));
  const sum = (of: "passed" | "ignored"): string =>
    outcomes.reduce((total, outcome) => total + outcome[of], 0).toLocaleString("en");
  const failed = outcomes.flatMap((outcome) => outcome.failed);
  const faults = outcomes.filter(({ isDriversFault }) => isDriversFault).length;
  if (faults > 0) {
    console.log(
      `\nProcesses that a driver's corrupted heap ended once their tests had passed: ${faults}`,
    );
  }
  const seconds = (Date.now() - started) / 1000;
  const time = seconds < 120 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(1)} minutes`;
  console.log(
    `\nThe tests of ${files.length} files: ${sum("passed")} passed, ${failed.length} failed, ` +
      `${sum("ignored")} ignored; ${time}, ${jobs} at a time` +
      (seed === undefined ? "" : `, in an order drawn by ${seed}`),
  );
  if (failed.length > 0) console.log(["FAILED:", ...failed].join("\n"));
  const suites = outcomes.map((outcome) => outcome.suites).join("");
  const report = `<testsuites name="deno test">\n${suites}</testsuites>\n`;
  return { success: failed.length === 0, report };
}

/** How a process has ended. */
interface End {
  readonly success: boolean;
  readonly signal: string | null;
  /** What it has printed. */
  readonly text: string;
  readonly errors: string;
  readonly files: readonly string[];
}

/** What a report says, and how its process has ended. */
export function judged(outcome: Outcome, { success, signal, text, errors, files }: End): Outcome {
  if (success || outcome.failed.length > 0) return outcome;
  // Nothing of this project's is native; any other end is a failure.
  const isDriversFault = signal === "SIGABRT" && CORRUPTED.test(errors) && PASSED.test(text);
  if (isDriversFault) return { ...outcome, isDriversFault };
  return { ...outcome, failed: [`what is around the tests of ${files.join(", ")}`] };
}

/** Runs some files in a process of their own. */
async function runSome(files: readonly string[], { seed, options }: Run): Promise<Outcome> {
  const report = await Deno.makeTempFile({ suffix: ".xml" });
  const order = seed === undefined ? [] : [`--shuffle=${seed}`];
  const own = ["--no-check", "--no-lock", `--junit-path=${report}`, ...order];
  try {
    const { success, signal, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", ...own, ...options, ...files],
      cwd: ROOT,
      stdin: "null",
    }).output();
    const [text, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    console.log(`${text}\n${errors}`.trimEnd());
    const end = { success, signal, text: text!, errors: errors!, files };
    return judged(outcomeOf(await Deno.readTextFile(report)), end);
  } finally {
    await Deno.remove(report);
  }
}

/** So many processes as are run at a time. */
export const JOBS = Math.min(MOST_JOBS, navigator.hardwareConcurrency);

/** What the command line says. */
function readArguments(args: readonly string[]) {
  const paths: string[] = [], ignored: string[] = [], options: string[] = [];
  let jobs = JOBS;
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
  const { paths, ignored, options, jobs, report, seed } = readArguments(Deno.args);
  const run = { jobs, seed, options: ["--allow-all", ...options] };
  const result = await runTests(testFiles(paths, ignored), run);
  if (report !== undefined) await Deno.writeTextFile(report, result.report);
  Deno.exitCode = result.success ? 0 : 1;
}
