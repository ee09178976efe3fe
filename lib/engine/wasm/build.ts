/**
 * Compiles the AssemblyScript in `kernels/` to `binary.ts`: `deno task build:wasm`. With `--check`
 * it writes nothing, and exits with 1 if the committed file differs from what it would write.
 *
 * The bytes are committed once, as base64 in a module: unlike a `.wasm` file beside the code, that
 * loads without any permission, from a registry too, and passes the type check.
 *
 * @module
 */

import { compileAssemblyScript, sourcesIn, writeOrCheck } from "../assemblyscript.ts";

/** Features beyond those that every runtime has. */
const VARIANTS = { relaxed: "simd,relaxed-simd,threads", plain: "simd,threads" };
const MEMORY = "--importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536".split(" ");

const read = sourcesIn(new URL("kernels/", import.meta.url));
let source = "// Made by `deno task build:wasm` from kernels/. Do not edit.\n";
for (const [name, features] of Object.entries(VARIANTS)) {
  const flags = [...MEMORY, "--enable", features, "--disableWarning", "112"];
  const binary = await compileAssemblyScript(read, flags);
  console.log(`${name}: ${binary.length} bytes`);
  source += `
/** The kernels, ${name} SIMD, base64. */
export const ${name.toUpperCase()}: string =
  // deno-fmt-ignore
  "${binary.toBase64()}";
`;
}
await writeOrCheck(new URL("binary.ts", import.meta.url), source);
