/**
 * Compiles the image decoders, which are C but for that of GIF, to modules of bytes: `deno task build:codecs [name …]`.
 * With `--check` it writes nothing, and exits with 1 if a committed file differs from what it would
 * write.
 *
 * Sources come as packages of cargo and the compiler as one of pip, both held to the checksums in
 * `tools/codecs/`. The bytes are the same on every machine, and committed as the kernels' are.
 *
 * @module
 */

import { deflateSync, inflateSync } from "node:zlib";
import { basename, dirname, fromFileUrl, toFileUrl } from "@std/path";

/** A decoder: `wasm/NAME.c`, which has its exports, and the library behind it. */
interface Codec {
  /** Where its files lie: a package and a folder in it. */
  readonly sources: string;
  /**
   * Where a library that does not know its version has it written: a file, and a pattern with three
   * numbers. It is compiled in as `UPSTREAM_VERSION`, 0xMMmmrr.
   */
  readonly version?: readonly [file: string, pattern: RegExp];
  /** Parts that are compiled with flags of their own. */
  readonly parts: readonly Part[];
}

/** Paths are relative to `sources`, or to `wasm/` with `./`. */
interface Part {
  /** `*` stands for a part of a name. */
  readonly files: readonly string[];
  /** Folders of headers. */
  readonly include: readonly string[];
  readonly flags?: readonly string[];
}

const LIBWEBP = ["", "src"];
const LIBJPEG = { include: ["src", "./jpeg"], flags: ["-DNO_GETENV", "-DWITH_SIMD"] };

/** What libavif has of libyuv: it resizes layers of different sizes. */
const LIBYUV = "libavif-1.4.2/third_party/libyuv";
const DAV1D = "dav1d-1.5.4";
const DAV1D_INCLUDE = ["./avif", DAV1D, `${DAV1D}/include`, `${DAV1D}/src`];

const CODECS: Readonly<Record<string, Codec>> = {
  webp: {
    sources: "libwebp-sys-0.14.4/vendor",
    parts: [
      { include: LIBWEBP, files: ["./webp.c", "src/dec/*.c", "src/utils/*.c"] },
      {
        include: LIBWEBP,
        files: ["alpha_processing", "cpu", "dec_clip_tables", "filters", "lossless", "rescaler"]
          .map((name) => `src/dsp/${name}.c`),
      },
      // What is faster by Intel's SSE2, in WebAssembly's SIMD. The others above are slower.
      {
        include: LIBWEBP,
        files: ["dec", "dec_sse2", "upsampling", "upsampling_sse2", "yuv", "yuv_sse2"]
          .map((name) => `src/dsp/${name}.c`),
        flags: ["-DEMSCRIPTEN", "-DWEBP_USE_SSE2", "-DWEBP_HAVE_SSE2"],
      },
    ],
  },
  jpeg: {
    sources: "turbojpeg-sys-1.2.0/libjpeg-turbo",
    version: ["CMakeLists.txt", /^set\(VERSION (\d+)\.(\d+)\.(\d+)\)/m],
    parts: [
      { ...LIBJPEG, files: ["./jpeg.c", "./jpeg/steps.c", "./jpeg/unused.c"] },
      {
        ...LIBJPEG,
        files: [
          ..."apimin apistd coefct color dctmgr huff input mainct marker master phuff postct sample"
            .split(" ").map((name) => `src/jd${name}.c`),
          ..."comapi datasrc idctflt idctfst idctint idctred memmgr memnobs utils"
            .split(" ").map((name) => `src/j${name}.c`),
        ],
      },
      // Steps that it has for Arm's Neon, in WebAssembly's SIMD.
      {
        ...LIBJPEG,
        files: ["jdcolor", "jdsample", "jidctint", "jidctred"].map((name) =>
          `simd/arm/${name}-neon.c`
        ),
      },
    ],
  },
  avif: {
    sources: "avif",
    version: [`${DAV1D}/meson.build`, /^ +version: '(\d+)\.(\d+)\.(\d+)'/m],
    parts: [
      {
        include: ["libavif-1.4.2/include", `${LIBYUV}/include`, `${DAV1D}/include`],
        files: ["./avif.c", "./avif/to_rgb.c", "libavif-1.4.2/src/*.c", `${LIBYUV}/source/*.c`],
        flags: ["-DAVIF_CODEC_DAV1D", "-Ddav1d_send_data=send_item"],
      },
      {
        include: DAV1D_INCLUDE,
        files: [
          ..."cdf cpu ctx data decode dequant_tables getbits intra_edge itx_1d lf_mask lib".split(
            " ",
          ),
          ..."log mem msac obu pal picture qm ref refmvs scan tables thread_task warpmv".split(" "),
          "wedge",
        ].map((name) => `${DAV1D}/src/${name}.c`),
      },
      ...[8, 16].map((bits) => ({
        include: DAV1D_INCLUDE,
        files: [`${DAV1D}/src/*_tmpl.c`],
        flags: [`-DBITDEPTH=${bits}`],
      })),
    ],
  },
};

/** What every decoder has. */
const COMMON: Part = { files: ["./heap.c"], include: [] };

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
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, { args: [...args], env }).output();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Error(`${program} was not found: ${missing}`, { cause });
  }
  const { success, stderr } = output;
  if (!success) throw new Error(`${program} ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}

/** What is needed to compile. */
interface Tools {
  /** The compiler's program. */
  readonly compiler: string;
  /** The folder of all packages of sources. */
  readonly packages: string;
  /** Headers that write other processors' SIMD in WebAssembly's. */
  readonly simd: string;
}

async function prepare(): Promise<Tools> {
  const packages = `${CACHE}/sources`;
  const manifest = `${ROOT}tools/codecs/Cargo.toml`;
  await run(
    "cargo",
    ["vendor", "--locked", "--versioned-dirs", "--manifest-path", manifest, packages],
    "install Rust, or Debian's cargo",
  );
  // What no registry keeps (avif_sources.sh).
  const archive = `${ROOT}tools/codecs/avif_sources.tar.xz`;
  await run("tar", ["-xf", archive, "-C", packages], "install tar and xz");
  const requirements = `${ROOT}tools/codecs/requirements.txt`;
  const hash = await crypto.subtle.digest("SHA-256", await Deno.readFile(requirements));
  const folder = `${CACHE}/python-${new Uint8Array(hash).toHex().slice(0, 8)}`;
  if (!await Deno.stat(folder).then(() => true, () => false)) {
    const part = `${folder}.part`;
    const pip = "-m pip install --quiet --no-deps --only-binary :all: --require-hashes".split(" ");
    const args = [...pip, "--upgrade", "--target", part, "--requirement", requirements];
    await run("python3", args, "install Python with pip");
    await Deno.rename(part, folder);
  }
  const simd = `${folder}/cmeel.prefix/include`;
  return { compiler: `${folder}/ziglang/zig`, packages, simd };
}

/** The files that a pattern names, sorted. */
async function filesOf(pattern: string): Promise<string[]> {
  if (!pattern.includes("*")) return [pattern];
  const folder = dirname(pattern);
  const [start, end] = basename(pattern).split("*");
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(start) && name.endsWith(end)) names.push(`${folder}/${name}`);
  }
  return names.sort();
}

/** The arguments that compile each file of a decoder, to `0.o`, `1.o` and so on. */
async function jobsOf(codec: Codec, { packages, simd }: Tools, to: string): Promise<string[][]> {
  const sources = `${packages}/${codec.sources}`;
  const path = (name: string): string =>
    name.startsWith("./") ? `${WASM}/${name.slice(2)}` : `${sources}/${name}`;
  const version: string[] = [];
  if (codec.version) {
    const [file, pattern] = codec.version;
    const [, ...numbers] = (await Deno.readTextFile(path(file))).match(pattern)!;
    version.push(`-DUPSTREAM_VERSION=0x${new Uint8Array(numbers.map(Number)).toHex()}`);
  }
  const jobs: string[][] = [];
  for (const { files, include, flags = [] } of [COMMON, ...codec.parts]) {
    const folders = [...include.map(path), WASM, `${WASM}/simd`, simd];
    const all = [...COMPILE, ...version, ...flags, ...folders.map((folder) => `-I${folder}`)];
    for (const file of (await Promise.all(files.map(path).map(filesOf))).flat()) {
      jobs.push(["cc", ...all, "-c", file, "-o", `${to}/${jobs.length}.o`]);
    }
  }
  return jobs;
}

async function compile(codec: Codec, tools: Tools): Promise<Uint8Array> {
  const folder = await Deno.makeTempDir();
  try {
    const jobs = await jobsOf(codec, tools, folder);
    const objects = jobs.map((job) => job.at(-1)!);
    const work = async () => {
      for (let job = jobs.shift(); job; job = jobs.shift()) await run(tools.compiler, job, "");
    };
    await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, work));
    await run(tools.compiler, ["cc", ...LINK, ...objects, "-o", `${folder}/out.wasm`], "");
    return await Deno.readFile(`${folder}/out.wasm`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The decoder of GIF comes compiled: a file of imagescript's package, which the runtime has in its cache. */
const GIF = "gif", GIF_FILE = "wasm/any/gif.wasm";

async function readGif(): Promise<Uint8Array> {
  const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const wanted = imports["imagescript/"].replace("npm:/", "npm:").replace(/\/$/, "");
  await run(Deno.execPath(), ["cache", "--no-lock", wanted], "");
  const told = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(told.stdout));
  const [name, version] = wanted.slice("npm:".length).split("@");
  for await (const registry of Deno.readDir(npmCache)) {
    const path = `${npmCache}/${registry.name}/${name}/${version}/${GIF_FILE}`;
    const bytes = await Deno.readFile(path).catch(() => undefined);
    if (bytes !== undefined) return bytes;
  }
  throw new Error(`Expected ${wanted} in ${npmCache}: found none`);
}

async function build(name: string, makeBinary: () => Promise<Uint8Array>): Promise<void> {
  const binary = await makeBinary();
  console.log(`${name}: ${binary.length} bytes`);
  const target = `${WASM}/${name}_binary.ts`;
  if (!Deno.args.includes("--check")) {
    return await Deno.writeTextFile(target, sourceOf(name, binary));
  }
  if (binary.toBase64() === (await committed(target, name)).toBase64()) return;
  console.error(`${target} is not what its sources compile to: deno task build:codecs`);
  Deno.exitCode = 1;
}

function sourceOf(name: string, binary: Uint8Array): string {
  const deflated = new Uint8Array(deflateSync(binary, { level: 9 }));
  const from = name === GIF ? `imagescript's ${GIF_FILE}` : `${name}.c`;
  return `// Made by \`deno task build:codecs\` from ${from}. Do not edit.

import type { Packed } from "./decoder.ts";

/** The decoder. */
export const ${name.toUpperCase()}: Packed = {
  length: ${binary.length},
  // deno-fmt-ignore
  deflated: "${deflated.toBase64()}",
};
`;
}

/** The decoder that is there; none, if it is no module. */
async function committed(path: string, name: string): Promise<Uint8Array> {
  try {
    const module = await import(toFileUrl(path).href);
    return inflateSync(Uint8Array.fromBase64(module[name.toUpperCase()].deflated));
  } catch {
    return new Uint8Array();
  }
}

const names = Deno.args.filter((arg) => arg !== "--check");
try {
  const wanted = names.length > 0 ? names : [GIF, ...Object.keys(CODECS)];
  if (wanted.includes(GIF)) await build(GIF, readGif);
  const compiled = wanted.filter((name) => name !== GIF);
  const tools = compiled.length > 0 ? await prepare() : undefined;
  for (const name of compiled) await build(name, () => compile(CODECS[name], tools!));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exitCode = 1;
}
