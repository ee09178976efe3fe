/**
 * Writes `.mat` files of version 5, for tests.
 *
 * @see {@link https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf}
 * @module
 */

import { concat } from "@std/bytes/concat";

/** A text, numbers in a row, a cell array, a structure or several of the same fields, or floats with sizes. */
export type MatInput =
  | string
  | readonly number[]
  | { readonly cells: readonly MatInput[] }
  | { readonly fields: Readonly<Record<string, MatInput>> }
  | { readonly structures: readonly Readonly<Record<string, MatInput>>[] }
  | { readonly sizes: readonly number[]; readonly floats: Float32Array<ArrayBuffer> };

const words = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

/** An element: a type and bytes, up to a multiple of eight. */
export function element(type: number, bytes: Uint8Array): Uint8Array {
  return concat([words(type, bytes.length), bytes, new Uint8Array((8 - bytes.length % 8) % 8)]);
}

/** A value with its name. */
export function matrix(value: MatInput, name = ""): Uint8Array {
  const [kind, sizes, contents] = contentsOf(value);
  const flags = element(6, words(kind, 0));
  const named = element(1, new TextEncoder().encode(name));
  return element(14, concat([flags, element(5, words(...sizes)), named, ...contents]));
}

function contentsOf(value: MatInput): [number, readonly number[], Uint8Array[]] {
  if (typeof value === "string") {
    return [4, [1, value.length], [element(16, new TextEncoder().encode(value))]];
  }
  if ("cells" in value) {
    return [
      1,
      [1, value.cells.length],
      value.cells.map((cell) => matrix(cell)),
    ];
  }
  if ("fields" in value) return contentsOf({ structures: [value.fields] });
  if ("structures" in value) {
    const { structures } = value;
    const names = Object.keys(structures[0]!).map((name) => name.padEnd(32, "\0")).join("");
    const head = [element(5, words(32)), element(1, new TextEncoder().encode(names))];
    const fields = structures.flatMap((fields) => Object.values(fields));
    return [2, [1, structures.length], [...head, ...fields.map((field) => matrix(field))]];
  }
  if ("sizes" in value) {
    return [7, value.sizes, [element(7, new Uint8Array(value.floats.buffer))]];
  }
  const doubles = new Uint8Array(Float64Array.from(value).buffer);
  return [6, [1, value.length], [element(9, doubles)]];
}

/** A file of elements. */
export function matFile(...elements: readonly Uint8Array[]): File {
  const head = new TextEncoder().encode("MATLAB 5.0 MAT-file".padEnd(124));
  const version = Uint8Array.of(0, 1, 0x49, 0x4d);
  return new File([concat([head, version, ...elements])], "net.mat");
}
