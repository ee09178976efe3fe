/**
 * Compiles the image decoders, which are C, to modules of bytes: `deno task build:codecs [name …]`.
 * With `--check` it writes nothing, and exits with 1 if a committed file differs from what it would
 * write.
 *
 * Sources come as packages of cargo and the compiler as one of pip, both held to the checksums in
 * `tools/codecs/`. The bytes are the same on every machine, and committed as the kernels' are.
 *
 * @module
 */

import { basename, fromFileUrl } from "@std/path";

/** A decoder: `wasm/NAME.c`, which has its exports, and the library behind it. */
interface Codec {
  /** Where its files lie: a package and a folder in it. */
  readonly sources: string;
  /** Parts that are compiled with flags of their own. */
  readonly parts: readonly Part[];
}

interface Part {
  readonly flags?: readonly string[];
  /** Relative to `sources`, or to `wasm/` with `./`. `*` stands for a part of a name. */
  readonly files: readonly string[];
  /** Folders of headers, relative to `sources`. */
  readonly include: readonly string[];
}

const CODECS: Readonly<Record<string, Codec>> = {
  webp: {
    sources: "libwebp-sys-0.14.4/vendor",
    parts: [{
      files: ["./webp.c", "./heap.c", "src/dec/*.c", "src/dsp/*.c", "src/utils/*.c"],
      include: ["", "src"],
    }],
  },
};

const TARGET = "--target=wasm32-wasi";
const COMPILE = [TARGET, "-O3", "-msimd128", "-DNDEBUG", "-Wno-everything"];
/**
 * The host's memory, whose maximum is what `malloc` may take (`INITIAL_PAGES` of `decoder.ts`). The
 * stack lies at address 0, so that overflowing it traps.
 */
const LINK = [
  TARGET,
  "-O3",
  "-mexec-model=reactor",
  "-Wl,--import-memory,--initial-memory=2097152,-z,stack-size=262144,--strip-all",
];

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const WASM = `${ROOT}lib/image/codecs/wasm`;
const CACHE = `${ROOT}.cache/codecs`;

/**
 * Runs a program of another project.
 *
 * @throws {Error} If it is missing or fails; the message is what it printed.
 */
async function run(program: string, args: readonly string[], missing: string): Promise<void> {
  const env = { ZIG_LOCAL_CACHE_DIR: `${CACHE}/zig`, ZIG_GLOBAL_CACHE_DIR: `${CACHE}/zig` };
  const command = new Deno.Command(program, { args: [...args], env });
  const { success, stderr } = await command.output().catch((cause) => {
    throw new Error(`${program} was not found: ${missing}`, { cause });
  });
  if (!success) throw new Error(`${program} ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}

/** @returns The compiler, and the folder of all packages of sources. */
async function prepare(): Promise<{ compiler: string; packages: string }> {
  const packages = `${CACHE}/sources`;
  const manifest = `${ROOT}tools/codecs/Cargo.toml`;
  await run(
    "cargo",
    ["vendor", "--locked", "--versioned-dirs", "--manifest-path", manifest, packages],
    "install Rust, or Debian's cargo",
  );
  const requirements = `${ROOT}tools/codecs/requirements.txt`;
  const version = (await Deno.readTextFile(requirements)).match(/^ziglang==(\S+)/m)![1];
  const folder = `${CACHE}/ziglang-${version}`;
  const compiler = `${folder}/ziglang/zig`;
  if (!await exists(compiler)) {
    const pip = "-m pip install --quiet --no-deps --only-binary :all: --require-hashes".split(" ");
    await run(
      "python3",
      [...pip, "--target", folder, "--requirement", requirements],
      "install Python with pip",
    );
  }
  return { compiler, packages };
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** The files that a pattern names, sorted. */
async function filesOf(sources: string, pattern: string): Promise<string[]> {
  const path = pattern.startsWith("./") ? `${WASM}/${pattern.slice(2)}` : `${sources}/${pattern}`;
  if (!path.includes("*")) return [path];
  const folder = path.slice(0, path.lastIndexOf("/"));
  const [start, end] = basename(path).split("*");
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(start) && name.endsWith(end)) names.push(`${folder}/${name}`);
  }
  return names.sort();
}

/** Compiles a decoder. The objects are linked in the order of its parts and their names. */
async function compile(codec: Codec, compiler: string, packages: string): Promise<Uint8Array> {
  const sources = `${packages}/${codec.sources}`;
  const folder = await Deno.makeTempDir();
  try {
    const objects: string[] = [];
    const jobs: string[][] = [];
    for (const { files, include, flags = [] } of codec.parts) {
      const headers = [WASM, ...include.map((name) => `${sources}/${name}`)].map((dir) =>
        `-I${dir}`
      );
      for (const file of (await Promise.all(files.map((name) => filesOf(sources, name)))).flat()) {
        const object = `${folder}/${objects.length}.o`;
        objects.push(object);
        jobs.push(["cc", ...COMPILE, ...flags, ...headers, "-c", file, "-o", object]);
      }
    }
    const work = async () => {
      for (let job = jobs.shift(); job; job = jobs.shift()) await run(compiler, job, "");
    };
    await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, work));
    await run(compiler, ["cc", ...LINK, ...objects, "-o", `${folder}/out.wasm`], "");
    return await Deno.readFile(`${folder}/out.wasm`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function build(name: string, tools: { compiler: string; packages: string }): Promise<void> {
  const binary = await compile(CODECS[name], tools.compiler, tools.packages);
  console.log(`${name}: ${binary.length} bytes`);
  const source = `// Made by \`deno task build:codecs\` from ${name}.c. Do not edit.

/** The decoder; base64. */
export const ${name.toUpperCase()}: string =
  // deno-fmt-ignore
  "${binary.toBase64()}";
`;
  const target = `${WASM}/${name}_binary.ts`;
  if (!Deno.args.includes("--check")) return await Deno.writeTextFile(target, source);
  if (await Deno.readTextFile(target).catch(() => "") === source) return;
  console.error(`${target} is not what its sources compile to: deno task build:codecs`);
  Deno.exitCode = 1;
}

const tools = await prepare();
const names = Deno.args.filter((arg) => arg !== "--check");
for (const name of names.length > 0 ? names : Object.keys(CODECS)) await build(name, tools);
