/**
 * Modules of WebAssembly for runtimes that compile none from bytes, as Cloudflare's Workers: files that a
 * program imports, and what it then tells the package.
 */

import { WeightsDownloadError } from "./errors.ts";
import { kernelBinary } from "./engine/wasm/kernels.ts";
import { binaryOf, type Packed } from "./image/codecs/wasm/decoder.ts";
import type { PackagedFile } from "./io/wrapped_file.ts";
import { makeFolder, readBytes } from "./platform.ts";
import type { ModuleName } from "./module_name.ts";
import { provided } from "./provided.ts";
import { publicUrl } from "./public_url.ts";
import { takeNoTurns } from "./threads/turn.ts";

/** The compiled modules, by their names. */
export type WorkerModules = Readonly<Record<ModuleName, WebAssembly.Module>>;

/**
 * Tells the package the modules that it would compile otherwise. Before anything is classified.
 *
 * @param modules What `modules/mod.js` exports, which {@linkcode writeModules} makes.
 * @param model Likewise; it is taken where no other is named.
 */
export function provideModules(modules: WorkerModules, model?: PackagedFile): void {
  provided.module = (name) => modules[name];
  if (model !== undefined) provided.model = model;
  takeNoTurns();
}

/** The decoders, each loaded when it is written. */
const DECODERS: readonly (readonly [ModuleName, load: () => Promise<Packed>])[] = [
  ["avif", async () => (await import("./image/codecs/wasm/avif_binary.ts")).AVIF],
  ["gif", async () => (await import("./image/codecs/wasm/gif_binary.ts")).GIF],
  ["jpeg", async () => (await import("./image/codecs/wasm/jpeg_binary.ts")).JPEG],
  ["webp", async () => (await import("./image/codecs/wasm/webp_binary.ts")).WEBP],
];

/** The bytes of each module. */
async function binaries(): Promise<[ModuleName, Uint8Array][]> {
  const found: [ModuleName, Uint8Array][] = [];
  for (const [name, load] of DECODERS) found.push([name, await binaryOf(await load())]);
  for (const variant of ["plain", "relaxed"] as const) {
    found.push([`kernels_${variant}`, kernelBinary(variant, false)]);
  }
  return found;
}

/** What the types of `mod.js` are. */
const TYPES = `// Made by writeModules() of @edge/vgg16/worker. Do not edit.

import type { PackagedFile, WorkerModules } from "@edge/vgg16/worker";

/** What \`provideModules()\` takes. */
export declare const modules: WorkerModules;
/** What \`{ model }\` takes. */
export declare const model: PackagedFile;
`;

/**
 * Writes the modules, and that of a model, into a folder, which is made: files that a bundler for Workers takes
 * as they are, and `mod.js`, which imports them, with its types.
 *
 * @example
 * ```ts
 * import { writeModules } from "@edge/vgg16/worker";
 * import { model } from "@edge/vgg16-small";
 *
 * const folder = await Deno.makeTempDir();
 * await writeModules(folder, model);
 * console.log((await Deno.stat(`${folder}/mod.js`)).isFile); // true
 * ```
 *
 * @param model What a package of models exports.
 * @returns The files' names.
 * @throws {RangeError} If the model has no file.
 */
export async function writeModules(folder: string, model: PackagedFile): Promise<string[]> {
  const { name: file, url } = model;
  if (url === undefined || !/^[\w-]+(\.[\w-]+)*\.wasm$/.test(file)) {
    throw new RangeError(`Expected a model with the URL of its module, found ${file} without one`);
  }
  const modules = await binaries();
  const parts: (readonly [name: string, contents: string | Uint8Array])[] = [
    ...modules.map(([name, binary]) => [`${name}.wasm`, binary] as const),
    [file, await bytesBehind(url)],
    ["mod.js", codeOf(modules.map(([name]) => name), file)],
    ["mod.d.ts", TYPES],
  ];
  const { writeWhole } = await import("./io/atomic_file.ts");
  await makeFolder(folder);
  for (const [name, contents] of parts) await writeWhole(`${folder}/${name}`, contents);
  return parts.map(([name]) => name);
}

async function bytesBehind(url: URL): Promise<Uint8Array> {
  if (url.protocol === "file:") return await readBytes(url);
  const response = await fetch(url);
  if (response.ok) return await response.bytes();
  const { status } = response, place = publicUrl(url);
  throw new WeightsDownloadError(`Expected a model at ${place}: the server says ${status}`, {
    url: place,
    status,
  });
}

function codeOf(names: readonly string[], file: string): string {
  const imports = names.map((name) => `import ${name} from "./${name}.wasm";\n`).join("");
  return `// Made by writeModules() of @edge/vgg16/worker. Do not edit.
// @ts-self-types="./mod.d.ts"

${imports}import file from "./${file}";

export const modules = { ${names.join(", ")} };
export const model = { name: "${file}", module: () => file };
`;
}
