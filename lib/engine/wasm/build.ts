/**
 * Compiles the AssemblyScript in `kernels/` to `binary.ts`: `deno task build:wasm`. With `--check`
 * it writes nothing, and exits with 1 if the committed file differs from what it would write.
 *
 * The bytes are committed once, as base64 in a module: unlike a `.wasm` file beside the code, that
 * loads without any permission, from a registry too, and passes the type check.
 *
 * @module
 */

import asc from "assemblyscript/asc";

const here = new URL(".", import.meta.url);
const target = new URL("binary.ts", here);

/** Features beyond those that every runtime has. */
const VARIANTS = { relaxed: "simd,relaxed-simd,threads", plain: "simd,threads" };

async function compile(features: string): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      ...["main.ts", "--outFile", "main.wasm", "-O3", "--runtime", "stub", "--noAssert"],
      ...["--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
      ...["--enable", features, "--disableWarning", "112"],
    ],
    {
      readFile: (name: string) =>
        Deno.readTextFile(new URL(`kernels/${name}`, here)).catch(() => null),
      writeFile: (name: string, contents: string | Uint8Array) => {
        if (name === "main.wasm" && typeof contents !== "string") binary = contents;
      },
      listFiles: () => [],
    },
  );
  if (error || !binary) {
    throw new Error(`Cannot compile the kernels: ${stderr.toString()}`, { cause: error });
  }
  return binary;
}

let source = "// Made by `deno task build:wasm` from kernels/. Do not edit.\n";
for (const [name, features] of Object.entries(VARIANTS)) {
  const binary = await compile(features);
  console.log(`${name}: ${binary.length} bytes`);
  source += `
/** The kernels, ${name} SIMD, base64. */
export const ${name.toUpperCase()}: string =
  // deno-fmt-ignore
  "${binary.toBase64()}";
`;
}

if (!Deno.args.includes("--check")) {
  await Deno.writeTextFile(target, source);
} else if (await Deno.readTextFile(target).catch(() => "") !== source) {
  console.error("binary.ts is not what kernels/ compiles to: run `deno task build:wasm`");
  Deno.exit(1);
}
