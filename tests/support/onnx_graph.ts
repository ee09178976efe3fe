/** Opens ONNX files that are written field by field, and tells what their graphs do. */

import { assertEquals } from "@std/assert";
import {
  type Checkpoint,
  type CheckpointTensor,
  readAll,
} from "../../lib/convert/formats/checkpoint.ts";
import type { Operator } from "../../lib/convert/formats/graph.ts";
import { readOnnx } from "../../lib/convert/formats/onnx/read.ts";
import { BytesSource } from "../../lib/io/byte_source.ts";
import { attribute, initializer, input, node, onnxFile, output } from "./onnx_file.ts";

/** Opens a file that is written field by field. */
export function openOnnx(...parts: number[][]): Promise<Checkpoint> {
  const source = new BytesSource(onnxFile(...parts), "some.onnx");
  return readOnnx(source, () => Promise.reject(new Error("none")));
}

/** What a graph does from its input to `y`; what is not understood is its name and why. */
export async function operatorsOf(...parts: number[][]): Promise<Operator[]> {
  const { graph } = await openOnnx(...parts, output("y"));
  const operators: Operator[] = [];
  for (let value = "y";;) {
    const found = graph!.nodes.find((node) => node.output === value)!;
    operators.unshift(found.operator);
    if (found.inputs.length === 0) return operators;
    value = found.inputs[0];
  }
}

/** An operator that must be of a kind. */
export function expectKind<K extends Operator["kind"]>(
  operator: Operator | undefined,
  kind: K,
): Operator & { kind: K } {
  assertEquals(operator?.kind, kind);
  return operator as Operator & { kind: K };
}

/** The kinds of operators in one line, with a reason where one is not understood. */
export function kinds(operators: readonly Operator[]): string {
  return operators.map((operator) =>
    operator.kind === "unsupported" ? `${operator.type}: ${operator.because}` : operator.kind
  ).join(", ");
}

/** An input of images. */
export const X = input("x", [0, 3, 64, 64]);
/** A filter. */
export const W = initializer("w", [2, 3, 3, 3], Array(54).fill(1));
/** A convolution of the images with it, which gives `c`. */
export const CONV = node("Conv", ["x", "w"], ["c"], [attribute("pads", [1, 1, 1, 1])]);
/** An input of vectors. */
export const FLAT = input("x", [0, 4, 1, 1]);
/** Their axes, as `v`. */
export const VECTOR = node("Flatten", ["x"], ["v"]);
/** A weight for them. */
export const MATRIX = initializer("m", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);

/** A tensor's shape, layout and numbers. */
export async function contents(
  constant: CheckpointTensor | number | undefined,
): Promise<[shape: readonly number[], outputs: "first" | "last", numbers: number[]]> {
  assertEquals(typeof constant, "object");
  const tensor = constant as CheckpointTensor;
  return [tensor.shape, tensor.layout.outputs, Array.from(await readAll(tensor))];
}
