/**
 * The programs of `tests/programs/` in the strictest settings that users have: `deno task
 * check:programs` fails on whatever the compiler says of them. What it says of `lib/`, which has
 * settings of its own, is left out, as it is for users of a package.
 *
 * @module
 */

import { fromFileUrl, toFileUrl } from "@std/path";
import { modulesBelow } from "./imports.ts";
import { type TypeFault, typeFaults } from "./indexed.ts";

const STRICTEST = { noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true };

/** What the compiler says of the programs in a folder, relative to the root of the project. */
export async function programFaults(root: URL, folder: string): Promise<TypeFault[]> {
  const programs = [...modulesBelow(new URL(`${folder}/`, root))].map((url) => fromFileUrl(url));
  const faults = await typeFaults(root, programs, STRICTEST);
  return faults.filter(({ path }) => path.startsWith(`${folder}/`));
}

if (import.meta.main) {
  const faults = await programFaults(toFileUrl(Deno.cwd() + "/"), "tests/programs");
  for (const { path, line, message } of faults) console.error(`${path}:${line} ${message}`);
  Deno.exitCode = faults.length === 0 ? 0 : 1;
}
