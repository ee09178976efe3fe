/** MATLAB's values, as both kinds of `.mat` files have them. */

import { type CheckpointTensor, readAll, sizeOf } from "../checkpoint.ts";

/** A value. What is in a file and nobody needs is `other`, with MATLAB's word for its class. */
export type MatValue =
  /** The tensor has MATLAB's axes in reverse: its columns come first, so the last axis varies slowest. */
  | { readonly kind: "numbers"; readonly tensor: CheckpointTensor }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "cell"; readonly items: readonly MatValue[] }
  /** One structure, or an array of them. */
  | { readonly kind: "struct"; readonly elements: readonly MatFields[] }
  | { readonly kind: "other"; readonly type: string };

/** The fields of a structure, or the variables of a file. */
export type MatFields = ReadonlyMap<string, MatValue>;

/** Numbers that are read as a whole where a few are expected. */
const MAX_NUMBERS = 1 << 20;

/** The fields of a value that is one structure, or a cell array of one. */
export function fieldsOf(value: MatValue | undefined): MatFields {
  const [first, ...others] = structuresOf(value);
  return first !== undefined && others.length === 0 ? first : new Map();
}

/** The structures of an array of them, or of a cell array. */
export function structuresOf(value: MatValue | undefined): readonly MatFields[] {
  if (value?.kind === "cell") return value.items.map(fieldsOf);
  return value?.kind === "struct" ? value.elements : [];
}

/** The text that a value is. */
export function textOf(value: MatValue | undefined): string | undefined {
  return value?.kind === "text" ? value.text : undefined;
}

/** What is in a cell array; a text stands for a cell array of it. */
export function itemsOf(value: MatValue | undefined): readonly MatValue[] {
  if (value?.kind === "text") return [value];
  return value?.kind === "cell" ? value.items : [];
}

/** The texts in a cell array. */
export function textsOf(value: MatValue | undefined): string[] {
  return itemsOf(value).flatMap((item) => textOf(item) ?? []);
}

/** The tensor of numbers that a value is, unless that is empty. */
export function tensorOf(value: MatValue | undefined): CheckpointTensor | undefined {
  return value?.kind === "numbers" && sizeOf(value.tensor.shape) > 0 ? value.tensor : undefined;
}

/** A few numbers, in MATLAB's order. */
export async function numbersOf(value: MatValue | undefined): Promise<number[]> {
  const tensor = tensorOf(value);
  return tensor === undefined || sizeOf(tensor.shape) > MAX_NUMBERS
    ? []
    : Array.from(await readAll(tensor));
}
