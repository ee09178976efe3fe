/**
 * Compiles AssemblyScript, at build time only. Not part of the published package.
 *
 * @module
 */

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
 * Exact, as the output must be the same everywhere. It is imported by a computed name, with
 * `--no-lock`: what `deno.json` or `deno.lock` names, every task of the project downloads, and the
 * compiler has 100 MB.
 */
const COMPILER: string = "npm:assemblyscript@0.28.20/asc";

/**
 * Compiles `main.ts`.
 *
 * @param read Gives a source file's text, or null if there is none of that name.
 * @param flags Flags of `asc`, beyond those that all kernels of this project have.
 * @throws {Error} If it does not compile; the message is the compiler's.
 */
export async function compileAssemblyScript(
  read: (name: string) => Promise<string | null> | string | null,
  flags: readonly string[],
): Promise<Uint8Array<ArrayBuffer>> {
  const { default: compiler }: { default: Compiler } = await import(COMPILER);
  let binary: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await compiler.main(
    ["main.ts", "--outFile", "main.wasm", "-O3", "--runtime", "stub", "--noAssert", ...flags],
    {
      readFile: read,
      writeFile: (name, contents) => {
        if (name === "main.wasm" && typeof contents !== "string") binary = contents.slice();
      },
      listFiles: () => [],
    },
  );
  if (error || !binary) {
    throw new Error(`AssemblyScript does not compile: ${stderr.toString()}`, { cause: error });
  }
  return binary;
}

/** A reader of the source files in a folder. */
export function sourcesIn(folder: URL): (name: string) => Promise<string | null> {
  return (name) => Deno.readTextFile(new URL(name, folder)).catch(() => null);
}

/**
 * Writes a generated file, or with `--check` on the command line compares it with the committed one,
 * and exits with 1 if they differ.
 */
export async function writeOrCheck(target: URL, source: string): Promise<void> {
  if (!Deno.args.includes("--check")) return await Deno.writeTextFile(target, source);
  if (await Deno.readTextFile(target).catch(() => "") === source) return;
  console.error(`${target.pathname} is not what its kernels compile to: build it again`);
  Deno.exit(1);
}
