/** What the package asks of its runtime: Deno, or the same of another. */

import { builtin } from "./builtin.ts";
import { nodeSystem } from "./node.ts";
import type { System } from "./types.ts";
import { webSystem } from "./web.ts";

export type { ErrorClass, Stat, System, SystemFile } from "./types.ts";

/** Deno itself; Node and Bun by `node:fs`; or a browser or Worker, which has no files. */
export const system: System = chosen();

function chosen(): System {
  if ("Deno" in globalThis) return Deno as unknown as System; // Its own types say more.
  const fs = builtin("node:fs");
  return fs === undefined ? webSystem() : nodeSystem(fs);
}
