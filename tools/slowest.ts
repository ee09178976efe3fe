/**
 * What takes longest, by the report that `deno test --junit-path` writes: `deno run --allow-read tools/slowest.ts
 * FILE [COUNT]` prints the slowest files.
 *
 * @module
 */

import { unescape } from "@std/html/entities";

/** One test, or all of a file. */
export interface Timed {
  readonly name: string;
  /** Relative to the project. */
  readonly file: string;
  readonly seconds: number;
}

const CASE = /<testcase name="([^"]*)" classname="([^"]*)" time="([\d.]+)"/g;

/** @returns Tests and files, the slowest first. */
export function slowestOf(report: string): { tests: Timed[]; files: Timed[] } {
  const tests = [...report.matchAll(CASE)].map(([, name, file, time]): Timed => ({
    name: unescape(name!),
    file: file!.replace(/^\.\//, ""),
    seconds: Number(time),
  }));
  const byFile = Map.groupBy(tests, ({ file }) => file);
  const files = [...byFile].map(([file, own]): Timed => ({
    name: `${own.length} tests`,
    file,
    seconds: own.reduce((sum, { seconds }) => sum + seconds, 0),
  }));
  const order = (a: Timed, b: Timed): number => b.seconds - a.seconds;
  return { tests: tests.toSorted(order), files: files.toSorted(order) };
}

if (import.meta.main) {
  const [file, count = "10"] = Deno.args;
  const { files } = slowestOf(await Deno.readTextFile(file!));
  for (const { file, name, seconds } of files.slice(0, Number(count))) {
    console.log(`${seconds.toFixed(1)} s  ${file} (${name})`);
  }
}
