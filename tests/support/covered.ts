/**
 * Tests of a process's own files and memory are skipped where its coverage is recorded: that writes files, and takes
 * memory.
 *
 * @module
 */

/** Whether `deno task coverage` runs this. */
export const isCovered: boolean = Deno.env.get("DENO_COVERAGE_DIR") !== undefined;

/** A test that coverage would disturb. */
export function undisturbedTest(name: string, fn: () => Promise<void>): void {
  const why = isCovered ? " (skipped: its coverage is recorded)" : "";
  Deno.test({ name: name + why, ignore: isCovered, fn });
}
