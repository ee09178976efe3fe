/**
 * The tests with which a change is checked again and again: `deno task test:fast [PATH...]`.
 *
 * All but those of `tests/slow.ts`: tests that start processes, or compute for seconds. They run as those of
 * `tools/test.ts` do, in drawn order, and without the permission to start a process, so that one that does is
 * found out. The tests that took longest are printed: what takes seconds is to be in that list.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { SLOW } from "../tests/slow.ts";
import { slowestOf } from "./slowest.ts";
import { JOBS, runTests, testFiles } from "./test.ts";

/** All but `--allow-run`. */
const PERMISSIONS = ["read", "write", "net", "env", "sys", "ffi", "import"];

const { values, positionals } = parseArgs({
  options: { seed: { type: "string", default: `${Math.floor(Math.random() * 2 ** 31)}` } },
  allowPositionals: true,
});
const files = testFiles(positionals.length > 0 ? positionals : ["tests"], [])
  .filter((path) => SLOW.get(path.replace(/^tests\//, "")) !== "all");
const { report, success } = await runTests(files, {
  jobs: JOBS,
  seed: Number(values.seed),
  options: [
    "--preload=tests/support/without_slow.ts",
    ...PERMISSIONS.map((name) => `--allow-${name}`),
  ],
});
console.log("The longest tests:");
// Of which file they are the report does not say: all are registered by the same module.
for (const { name, seconds } of slowestOf(report).tests.slice(0, 5)) {
  console.log(`${seconds.toFixed(1)} s  ${name}`);
}
Deno.exitCode = success ? 0 : 1;
