/**
 * Parses ONNX files: nodes and initializers, without their meaning.
 *
 * @see {@link https://github.com/onnx/onnx/blob/main/onnx/onnx.proto}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, type OpenSibling, OUTPUTS_FIRST, sizeOf } from "../checkpoint.ts";
import {
  MAX_INTEGERS,
  type ProtoField,
  type ProtoRange,
  readIntegers,
  readMessage,
  readText,
} from "../protobuf.ts";
import { bytesOf, type ElementType, rawTensor } from "../tensors.ts";

/** An attribute's value: the kinds that matter here. */
export interface OnnxAttribute {
  readonly float?: number;
  readonly int?: number;
  readonly ints?: readonly number[];
  readonly tensor?: CheckpointTensor;
}

/** One node. */
export interface OnnxNode {
  /** Often empty. */
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly [string, ...string[]];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** A graph: nodes in an order in which they can run. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, CheckpointTensor>;
}

/** Element types by the numbers of `TensorProto.DataType`. */
const DATA_TYPES: Readonly<Record<number, ElementType>> = {
  1: "F32",
  2: "U8",
  3: "I8",
  5: "I16",
  6: "I32",
  10: "F16",
  11: "F64",
  16: "BF16",
};

/** Parses the model that `source` holds. */
export function readOnnxGraph(source: ByteSource, openSibling: OpenSibling): Promise<OnnxGraph> {
  return new OnnxParser(source, openSibling).model();
}

class OnnxParser {
  readonly #siblings = new Map<string, Promise<ByteSource>>();

  constructor(readonly source: ByteSource, readonly openSibling: OpenSibling) {}

  async model(): Promise<OnnxGraph> {
    const nodes: OnnxNode[] = [];
    const initializers = new Map<string, CheckpointTensor>();
    for await (const field of readMessage(this.source, { begin: 0, end: this.source.size! })) {
      if (field.number !== 7 || field.wire !== 2) continue;
      for await (const part of this.#fields(field)) {
        if (part.wire !== 2) continue;
        if (part.number === 1) nodes.push(await this.#node(part));
        if (part.number === 5) {
          const tensor = await this.#tensor(part);
          if (tensor !== undefined) initializers.set(tensor.name, tensor);
        }
      }
    }
    return { nodes, initializers };
  }

  async #node(range: ProtoRange): Promise<OnnxNode> {
    let op = "", name = "";
    const inputs: string[] = [];
    const outputs: string[] = [];
    const attributes = new Map<string, OnnxAttribute>();
    for await (const field of this.#fields(range)) {
      if (field.wire !== 2) continue;
      if (field.number === 1) inputs.push(await readText(this.source, field));
      if (field.number === 2) outputs.push(await readText(this.source, field));
      if (field.number === 3) name = await readText(this.source, field);
      if (field.number === 4) op = await readText(this.source, field);
      if (field.number === 5) {
        const [key, attribute] = await this.#attribute(field);
        attributes.set(key, attribute);
      }
    }
    const [output, ...others] = outputs;
    if (output === undefined) throw this.#error(`Node ${name} (${op}) has no output`, range);
    return { name, op, inputs, outputs: [output, ...others], attributes };
  }

  async #attribute(range: ProtoRange): Promise<[name: string, OnnxAttribute]> {
    let name = "";
    let float: number | undefined, int: number | undefined, tensor: CheckpointTensor | undefined;
    const ints: number[] = [];
    for await (const field of this.#fields(range)) {
      if (field.number === 1 && field.wire === 2) name = await readText(this.source, field);
      if (field.number === 2 && field.wire === 5) float = field.value;
      if (field.number === 3 && field.wire === 0) int = field.value;
      if (field.number === 5 && field.wire === 2) tensor = await this.#tensor(field);
      if (field.number === 8) ints.push(...await readIntegers(this.source, field));
    }
    return [name, { float, int, ints, tensor }];
  }

  /** `undefined` if its elements are no numbers that a weight could be. */
  async #tensor(range: ProtoRange): Promise<CheckpointTensor | undefined> {
    const shape: number[] = [];
    let name = "";
    let type = 0;
    let raw: ProtoRange | undefined, varints: ProtoRange | undefined;
    const external = new Map<string, string>();
    for await (const field of this.#fields(range)) {
      if (field.number === 1) shape.push(...await readIntegers(this.source, field));
      if (field.number === 2 && field.wire === 0) type = field.value;
      if (field.wire !== 2) continue;
      if (field.number === 8) name = await readText(this.source, field);
      if (field.number === 4 || field.number === 9 || field.number === 10) raw = field;
      if (field.number === 5) varints = field;
      if (field.number === 13) external.set(...await this.#entry(field));
    }
    const dtype = DATA_TYPES[type];
    if (dtype === undefined) return undefined;
    const tensor = { name, shape, layout: OUTPUTS_FIRST };
    if (external.size > 0) return await this.#externalTensor(tensor, dtype, external, range);
    if (varints !== undefined && raw === undefined) {
      return await this.#varintTensor(tensor, dtype, varints);
    }
    const length = raw === undefined ? 0 : raw.end - raw.begin;
    if (!shape.every((size) => size >= 0) || length !== sizeOf(shape) * bytesOf(dtype)) {
      throw this.#error(`Tensor ${name} of shape [${shape}] has ${length} bytes`, range);
    }
    return rawTensor(this.source, tensor, dtype, raw?.begin ?? 0);
  }

  async #externalTensor(
    tensor: Omit<CheckpointTensor, "read">,
    dtype: ElementType,
    external: ReadonlyMap<string, string>,
    range: ProtoRange,
  ): Promise<CheckpointTensor> {
    const location = external.get("location") ?? "";
    const offset = Number(external.get("offset") ?? 0);
    // A file name and nothing else, so that a model cannot read elsewhere on the disk.
    if (!/^[^/\\:]+$/.test(location) || location === ".." || !Number.isSafeInteger(offset)) {
      throw this.#error(`Tensor ${tensor.name} lies in ${location}, which is no file name`, range);
    }
    const opening = this.#siblings.get(location) ?? this.openSibling(location);
    this.#siblings.set(location, opening);
    const file = await opening;
    if (offset < 0 || offset + sizeOf(tensor.shape) * bytesOf(dtype) > (file.size ?? Infinity)) {
      throw this.#error(`Tensor ${tensor.name} lies beyond the end of ${location}`, range);
    }
    return rawTensor(file, tensor, dtype, offset);
  }

  async #varintTensor(
    tensor: Omit<CheckpointTensor, "read">,
    dtype: ElementType,
    range: ProtoRange,
  ): Promise<CheckpointTensor> {
    const length = sizeOf(tensor.shape);
    if (!/^[IU]/.test(dtype) || length > MAX_INTEGERS) {
      throw this.#error(`Tensor ${tensor.name} has ${length} elements as varints`, range);
    }
    const values = Float32Array.from(await readIntegers(this.source, range));
    if (values.length !== length) {
      throw this.#error(`Tensor ${tensor.name} has ${values.length} of ${length} elements`, range);
    }
    return {
      ...tensor,
      read({ start, length, stride, count }, into): void {
        for (let run = 0; run < count; run++) {
          const begin = start + run * stride;
          into.set(values.subarray(begin, begin + length), run * length);
        }
      },
    };
  }

  async #entry(range: ProtoRange): Promise<[key: string, value: string]> {
    const entry = ["", ""] as [string, string];
    for await (const field of this.#fields(range)) {
      if (field.wire === 2 && field.number <= 2) {
        entry[field.number - 1] = await readText(this.source, field);
      }
    }
    return entry;
  }

  #fields(range: ProtoRange): AsyncGenerator<ProtoField> {
    return readMessage(this.source, range);
  }

  #error(message: string, { begin }: ProtoRange): CheckpointFormatError {
    const file = this.source.name, text = `The ONNX model ${file} is damaged: ${message}`;
    return new CheckpointFormatError(text, { file, offset: begin });
  }
}
