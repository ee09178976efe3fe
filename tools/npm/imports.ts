/**
 * Packages on npm, as `deno.json` names them.
 *
 * @module
 */

/** `imports` of a `deno.json`. */
export type Imports = Readonly<Record<string, string>>;

/** A package on npm, exactly as `deno.json` pins it, and what is imported of it. */
export interface NpmImport {
  readonly name: string;
  readonly version: string;
  /** What a module imports: `deno-std/path/mod.js`. */
  readonly specifier: string;
}

/**
 * Finds what an import map says of a bare specifier: of `@std/path` that it is `deno-std/path/mod.js`, of 1.4.0.
 *
 * @throws {Error} If it is not in the map, or no package of npm's with an exact version.
 */
export function npmImport(specifier: string, imports: Imports): NpmImport {
  const folder = Object.keys(imports).find((key) => key.endsWith("/") && specifier.startsWith(key));
  const target = imports[specifier] ??
    (folder === undefined ? "" : imports[folder] + specifier.slice(folder.length));
  const [, name, version, path = ""] =
    /^npm:\/?((?:@[^/@]+\/)?[^/@]+)@(\d+\.\d+\.\d+[^/]*)(\/.+)?$/.exec(target) ?? [];
  if (name === undefined || version === undefined) {
    throw new Error(`Expected "${specifier}" as an exact package of npm's: found "${target}"`);
  }
  return { name, version, specifier: name + path };
}
