/**
 * The functions of `./edge` where WebAssembly is compiled from no bytes, as in Cloudflare's Workers: first the
 * program gives the compiled modules, which its bundler has from files that `writeModules()` makes.
 *
 * @example
 * ```ts
 * import { writeModules } from "@edge/vgg16/worker";
 * import { model } from "@edge/vgg16-small";
 *
 * // What the Worker then imports: provideModules(modules, model).
 * const names = await writeModules(await Deno.makeTempDir(), model);
 * console.log(names.at(-2)); // mod.js
 * ```
 *
 * @module
 */

export * from "./edge.ts";
export { provideModules, writeModules } from "../worker_modules.ts";

export type { ModuleName } from "../module_name.ts";
export type { WorkerModules } from "../worker_modules.ts";
