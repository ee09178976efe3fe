/**
 * Compiles the AssemblyScript in `kernels/` to `binary.ts`: `deno task build:train`. With `--check` it
 * writes nothing, and exits with 1 if the committed file differs from what it would write.
 *
 * @module
 */

import { compileAssemblyScript, sourcesIn, writeOrCheck } from "../engine/assemblyscript.ts";

const read = sourcesIn(new URL("kernels/", import.meta.url));
const MEMORY = "--importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536".split(" ");
const flags = [...MEMORY, "--enable", "simd,threads", "--disableWarning", "112"];
const binary = await compileAssemblyScript(read, flags);
console.log(`${binary.length} bytes`);
await writeOrCheck(
  new URL("binary.ts", import.meta.url),
  `// Made by \`deno task build:train\` from kernels/. Do not edit.

/** The kernels, base64. */
export const KERNELS: string =
  // deno-fmt-ignore
  "${binary.toBase64()}";
`,
);
