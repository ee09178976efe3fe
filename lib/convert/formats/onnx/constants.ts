/** The constants of an ONNX graph: initializers, `Constant` nodes, and quantized ones. */

import { CheckpointFormatError } from "../../../errors.ts";
import { type CheckpointTensor, readAll } from "../checkpoint.ts";
import type { OnnxGraph, OnnxNode } from "./parse.ts";
import { dequantizedTensor } from "../tensors.ts";

/** Looks constants up by the name of the value; an input that is left out has none, or an empty one. */
export class OnnxConstants {
  readonly #producers = new Map<string, OnnxNode>();

  constructor(private readonly graph: OnnxGraph, private readonly file: string) {
    for (const node of graph.nodes) {
      for (const output of node.outputs) this.#producers.set(output, node);
    }
  }

  /** A constant, dequantized if it is quantized; `undefined` if the value is computed. */
  async open(name: string | undefined): Promise<CheckpointTensor | undefined> {
    const plain = this.plain(name);
    const node = this.#producers.get(name ?? "");
    if (plain !== undefined || node?.op !== "DequantizeLinear") return plain;
    const [q, scale, zero] = node.inputs;
    return await this.dequantized(q, scale, zero, node.attributes.get("axis")?.int ?? 1);
  }

  /** A constant as it is stored. */
  plain(name: string | undefined): CheckpointTensor | undefined {
    if (!name) return undefined;
    const node = this.#producers.get(name);
    if (node?.op === "Constant") return node.attributes.get("value")?.tensor;
    return this.graph.initializers.get(node?.op === "Identity" ? node.inputs[0] ?? "" : name);
  }

  /** Integers with their scales; `undefined` if they are computed. */
  async dequantized(
    q: string | undefined,
    scaleName: string | undefined,
    zeroName: string | undefined,
    axis: number,
  ): Promise<CheckpointTensor | undefined> {
    const tensor = this.plain(q);
    if (tensor === undefined) return undefined;
    const scale = await this.values(scaleName);
    const zeroPoint = zeroName ? await this.values(zeroName) : new Float32Array(scale.length);
    return this.checked(tensor, { scale, zeroPoint, axis });
  }

  /** @throws {CheckpointFormatError} If scales and zero points do not fit the tensor. */
  checked(
    tensor: CheckpointTensor,
    quantization: Parameters<typeof dequantizedTensor>[1],
  ): CheckpointTensor {
    try {
      return dequantizedTensor(tensor, quantization);
    } catch (cause) {
      throw notVgg(this.file, `tensor ${tensor.name}: ${(cause as Error).message}`);
    }
  }

  /** The values of a small constant. */
  async values(name: string | undefined): Promise<Float32Array> {
    const tensor = this.plain(name);
    if (tensor === undefined) throw notVgg(this.file, `${name || "a scale"} is not in the file`);
    return await readAll(tensor);
  }
}

/** The error of a graph that is another network's. */
export function notVgg(file: string, message: string): CheckpointFormatError {
  return new CheckpointFormatError(`The ONNX model ${file} is no VGG: ${message}`, {
    code: "checkpoint-unsupported",
    file,
  });
}
