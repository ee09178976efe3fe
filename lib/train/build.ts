/**
 * Compiles the AssemblyScript in `kernels/` to `binary.ts`: `deno task build:train`. With `--check` it
 * writes nothing, and exits with 1 if the committed file differs from what it would write.
 *
 * @module
 */

import asc from "assemblyscript/asc";

const here = new URL(".", import.meta.url);
const target = new URL("binary.ts", here);
let binary = new Uint8Array();
const { error, stderr } = await asc.main(
  [
    ...["main.ts", "--outFile", "main.wasm", "-O3", "--runtime", "stub", "--noAssert"],
    ...["--enable", "simd"],
  ],
  {
    readFile: (name: string) =>
      Deno.readTextFile(new URL(`kernels/${name}`, here)).catch(() => null),
    writeFile: (name: string, contents: string | Uint8Array) => {
      if (name === "main.wasm" && typeof contents !== "string") binary = Uint8Array.from(contents);
    },
    listFiles: () => [],
  },
);
if (error || binary.length === 0) {
  throw new Error(`Cannot compile the kernels: ${stderr.toString()}`, { cause: error });
}
const source = `// Made by \`deno task build:train\` from kernels/. Do not edit.

/** The kernels, base64. */
export const KERNELS: string =
  // deno-fmt-ignore
  "${binary.toBase64()}";
`;
if (!Deno.args.includes("--check")) {
  await Deno.writeTextFile(target, source);
  console.log(`${binary.length} bytes`);
} else if (await Deno.readTextFile(target).catch(() => "") !== source) {
  console.error("binary.ts is not what kernels/ compiles to: run `deno task build:train`");
  Deno.exit(1);
}
