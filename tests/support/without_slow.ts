/**
 * Leaves out the tests of `tests/slow.ts`: `deno test --preload` runs it before each test file.
 *
 * @module
 */

import { SLOW } from "../slow.ts";

const { test } = Deno;
const file = Deno.mainModule.split("/tests/").at(-1)!;
const slow = SLOW.get(file) ?? [];

function isSlow(name: string): boolean {
  return slow === "all" || slow.some((words) => name.includes(words));
}

/** Takes what `Deno.test` does: a name, options or a function first. */
function register(...given: Parameters<typeof test>): void {
  const [first] = given, name = typeof first === "string" ? first : first.name ?? "";
  (isSlow(name) ? test.ignore : test)(...given);
}

Object.assign(Deno, { test: Object.assign(register, test) });
