/**
 * Compiles the kernels, which are AssemblyScript, to modules of bytes: `deno task build:kernels`.
 * With `--check` it writes nothing, and exits with 1 if a committed file differs from what it would
 * write.
 *
 * The bytes are committed once, as base64: unlike a `.wasm` file beside the code, a module loads
 * without any permission, from a registry too, and passes the type check.
 *
 * @module
 */

/** A module of bytes, and the kernels that it is made from. */
interface Target {
  /** Relative to the root of the project; `kernels/main.ts` in it is compiled to `binary.ts`. */
  readonly folder: string;
  /** Names of constants, and features of WebAssembly that their kernels use. */
  readonly constants: Readonly<Record<string, string>>;
  /** Whether threads share their memory. */
  readonly isShared: boolean;
}

const TARGETS: readonly Target[] = [
  {
    folder: "lib/engine/wasm/",
    constants: { RELAXED: "simd,relaxed-simd,threads", PLAIN: "simd,threads" },
    isShared: true,
  },
  { folder: "lib/train/", constants: { KERNELS: "simd,threads" }, isShared: true },
  { folder: "lib/search/", constants: { KERNELS: "simd" }, isShared: false },
];

/** Warning 112 is that a feature is not in every runtime yet: the engine asks for it. */
const FLAGS = "-O3 --runtime stub --noAssert --disableWarning 112";
/** The host's memory. */
const MEMORY = "--importMemory --initialMemory 1 --maximumMemory 65536";

/**
 * Exact, as the bytes must be the same everywhere. It is imported by a computed name, with
 * `--no-lock`: what `deno.json` or `deno.lock` names, every task of the project downloads, and the
 * compiler has 100 MB.
 */
const COMPILER: string = "npm:assemblyscript@0.28.20/asc";

/** The part of the compiler's interface that is used here (its `asc.d.ts`). */
interface Compiler {
  main(
    args: readonly string[],
    io: {
      readFile(name: string): Promise<string | null> | string | null;
      writeFile(name: string, contents: string | Uint8Array): void;
      listFiles(): string[];
    },
  ): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}

/**
 * Compiles AssemblyScript.
 *
 * @param entry The file whose exports are the module's.
 * @param read Gives a file's text, or null if there is none of that name.
 * @param flags Flags of `asc`, beyond those that all kernels of this project have.
 * @throws {Error} If it does not compile; the message is the compiler's.
 */
export async function compileAssemblyScript(
  entry: string,
  read: (name: string) => Promise<string | null> | string | null,
  flags: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const { default: compiler }: { default: Compiler } = await import(COMPILER);
  let binary: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await compiler.main(
    [entry, "--outFile", "main.wasm", ...`${FLAGS} ${flags}`.split(" ")],
    {
      readFile: read,
      writeFile: (name, contents) => {
        if (name === "main.wasm" && typeof contents !== "string") binary = contents.slice();
      },
      listFiles: () => [],
    },
  );
  if (error || !binary) {
    throw new Error(`${entry} does not compile: ${stderr.toString()}`, { cause: error });
  }
  return binary;
}

async function build({ folder, constants, isShared }: Target): Promise<void> {
  const base = new URL(`../${folder}`, import.meta.url);
  const read = (name: string): Promise<string | null> =>
    Deno.readTextFile(new URL(name, base)).catch(() => null);
  let source = "// Made by `deno task build:kernels` from kernels/. Do not edit.\n";
  for (const [name, features] of Object.entries(constants)) {
    const flags = `${MEMORY}${isShared ? " --sharedMemory" : ""} --enable ${features}`;
    const binary = await compileAssemblyScript("kernels/main.ts", read, flags);
    console.log(`${folder} ${name}: ${binary.length} bytes`);
    source += `
/** The kernels with ${features.replaceAll(",", ", ")}; base64. */
export const ${name}: string =
  // deno-fmt-ignore
  "${binary.toBase64()}";
`;
  }
  const target = new URL("binary.ts", base);
  if (!Deno.args.includes("--check")) return await Deno.writeTextFile(target, source);
  if (await Deno.readTextFile(target).catch(() => "") === source) return;
  console.error(`${folder}binary.ts is not what its kernels compile to: deno task build:kernels`);
  Deno.exit(1);
}

if (import.meta.main) {
  for (const target of TARGETS) await build(target);
}
