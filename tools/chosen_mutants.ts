/**
 * Mutants that somebody chose by hand: patches by text, each with the test that has to notice it. They lie in
 * `tests/mutants/`, a file for each room of `lib/`.
 *
 * @module
 */

import { fromFileUrl, toFileUrl } from "@std/path";
import { join } from "@std/path/join";
import { MutatedCopy, ROOT, sample, type TestRun, trackedFiles } from "./mutated_copy.ts";

/** A change of one place, and who notices it. */
export interface ChosenMutant {
  /** What is broken by it, as one who uses the product would say. */
  readonly name: string;
  readonly file: string;
  /** Text that the file has exactly once. */
  readonly before: string;
  /** What stands there instead. */
  readonly after: string;
  readonly test: string;
  /** What the name of the test has in it. Default: all of the file's run. */
  readonly filter?: string;
}

/** Where they lie. */
const FOLDER = fromFileUrl(new URL("../tests/mutants/", import.meta.url));

/** All that were chosen, by folder and in the order of the files. */
export async function chosenMutants(): Promise<ChosenMutant[]> {
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).toSorted();
  const modules = await Promise.all(
    names.map((name) => import(toFileUrl(join(FOLDER, name)).href)),
  );
  return modules.flatMap(({ MUTANTS }) => MUTANTS as ChosenMutant[]);
}

/**
 * The text of a file with the change.
 *
 * @throws {Error} If the file does not have the text before exactly once.
 */
export function applied(source: string, { name, file, before, after }: ChosenMutant): string {
  const count = source.split(before).length - 1;
  if (count !== 1 || before === after) {
    throw new Error(`The mutant "${name}" fits ${file} ${count} times: bring its text up to date`);
  }
  // By a function: in a text $& would stand for what was found.
  return source.replace(before, () => after);
}

/** What does not run at all is no mutant, and a machine without memory is no test. */
const BROKEN = /SyntaxError|could not be parsed|The module's source code|allocation failed/;

/** Options of {@linkcode runChosen}. */
export interface ChosenOptions {
  /** Only mutants of files that begin with one of these. */
  readonly only: readonly string[];
  /** So many of them, drawn by `seed`. */
  readonly sample: number;
  readonly seed: number;
}

/**
 * Tries each, after its test has passed without it.
 *
 * @returns Whether all were noticed.
 */
export async function runChosen({ only, sample: most, seed }: ChosenOptions): Promise<boolean> {
  const all = (await chosenMutants()).filter(({ file }) =>
    only.some((begin) => file.startsWith(begin))
  );
  const changed = all.map((mutant) =>
    applied(Deno.readTextFileSync(join(ROOT, mutant.file)), mutant)
  );
  const texts = new Map(all.map((mutant, n) => [mutant, changed[n]!]));
  await using copy = await MutatedCopy.of(await trackedFiles());
  const passing = new Map<string, Promise<TestRun>>();
  const counts = new Map<string, { killed: number; survived: number }>();
  let seconds = 0;
  const drawn = most < all.length ? sample([...all], most, seed) : all;
  for (const mutant of drawn) {
    const { name, file, test, filter } = mutant, key = `${test} ${filter}`;
    const without = await (passing.get(key) ?? copy.test(test, { filter }));
    passing.set(key, Promise.resolve(without));
    const run = await copy.with(file, texts.get(mutant)!, () => copy.test(test, { filter }));
    seconds += run.seconds;
    const isKilled = without.outcome === "passed" && !BROKEN.test(run.error) &&
      (run.outcome === "failed" || run.outcome === "hung");
    const room = file.split("/").slice(0, 2).join("/");
    const count = counts.get(room) ?? { killed: 0, survived: 0 };
    counts.set(room, count);
    if (isKilled) count.killed++;
    else count.survived++;
    const why = without.outcome === "passed"
      ? `${run.outcome} ${run.error}`
      : `${without.outcome} without it`;
    console.log(`${isKilled ? "killed" : "SURVIVED"}: ${file}: ${name} [${why}] ${test}`);
  }
  for (const [room, { killed, survived }] of [...counts].toSorted()) {
    console.log(`${room}: ${killed} killed, ${survived} survived`);
  }
  const survived = [...counts.values()].reduce((sum, count) => sum + count.survived, 0);
  const each = (seconds / Math.max(1, drawn.length)).toFixed(1);
  console.log(
    `${drawn.length - survived} of ${drawn.length} killed, of ${all.length} that were chosen; ` +
      `${each} s for each; seed ${seed}`,
  );
  return survived === 0 && drawn.length > 0;
}
