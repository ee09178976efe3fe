/**
 * The tests with which a change is checked again and again: `deno task test:fast [PATH...]`.
 *
 * All but those of `tests/slow.ts`: tests that start processes, or compute for seconds. They run in drawn order, as
 * many files at a time as there are cores, and without the permission to start a process, so that one that does is
 * found out. The tests that took longest are printed: what takes seconds is to be in that list.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { SLOW } from "../tests/slow.ts";
import { ROOT, trackedFiles } from "./mutated_copy.ts";
import { slowestOf } from "./slowest.ts";

/** All but `--allow-run`. */
const PERMISSIONS = ["read", "write", "net", "env", "sys", "ffi", "import"];

const { values: { seed }, positionals } = parseArgs({
  options: { seed: { type: "string", default: `${Math.floor(Math.random() * 2 ** 31)}` } },
  allowPositionals: true,
});
const only = positionals.length > 0 ? positionals : ["tests/"];
const files = (await trackedFiles()).filter((path) =>
  path.endsWith("_test.ts") && only.some((begin) => path.startsWith(begin)) &&
  SLOW.get(path.replace(/^tests\//, "")) !== "all"
);
const report = await Deno.makeTempFile({ suffix: ".xml" });
try {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", "--no-check", "--no-lock", "--parallel"],
      "--preload=tests/support/without_slow.ts",
      ...[`--shuffle=${seed}`, `--junit-path=${report}`],
      ...PERMISSIONS.map((name) => `--allow-${name}`),
      ...files,
    ],
    cwd: ROOT,
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  const tests = slowestOf(await Deno.readTextFile(report)).tests.slice(0, 5);
  console.log(`Order drawn by --seed ${seed}. The longest of ${files.length} files' tests:`);
  // Of which file they are the report does not say: all are registered by the same module.
  for (const { name, seconds } of tests) console.log(`${seconds.toFixed(1)} s  ${name}`);
  Deno.exitCode = code;
} finally {
  await Deno.remove(report);
}
