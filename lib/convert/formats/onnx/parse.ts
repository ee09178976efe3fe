/**
 * Parses ONNX files: nodes, initializers, inputs, outputs and functions, without their meaning.
 *
 * @see {@link https://github.com/onnx/onnx/blob/main/onnx/onnx.proto}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { OpenSibling } from "../checkpoint.ts";
import {
  type ProtoField,
  type ProtoRange,
  readFloats,
  readIntegers,
  readMessage,
  readText,
} from "../protobuf.ts";
import { type OnnxTensor, OnnxTensors, type OnnxType, onnxType } from "./tensor.ts";

/** An attribute's value. */
export interface OnnxAttribute {
  readonly float?: number | undefined;
  readonly int?: number | undefined;
  readonly text?: string | undefined;
  readonly floats: readonly number[];
  readonly ints: readonly number[];
  readonly tensor?: OnnxTensor | undefined;
  /** In a function: the attribute of the node that calls it. */
  readonly reference?: string | undefined;
}

/** One node. */
export interface OnnxNode {
  /** Often empty. */
  readonly name: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  readonly op: string;
  /** Empty where an input is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly [string, ...string[]];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** An input of a graph. */
export interface OnnxInput {
  readonly name: string;
  readonly type: OnnxType | undefined;
  /** `undefined` where a size is open; `undefined` as a whole where nothing is said. */
  readonly shape: readonly (number | undefined)[] | undefined;
}

/** A function of a model: an operator that is made of others. */
export interface OnnxFunction {
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly OnnxNode[];
  /** What its attributes are where a node that calls it says nothing. */
  readonly defaults: ReadonlyMap<string, OnnxAttribute>;
}

/** A model. */
export interface OnnxModel {
  /** The tool that wrote it, such as `"pytorch"` or `"tf2onnx"`. */
  readonly producer: string;
  /** The version of ONNX's own operators. */
  readonly opset: number;
  readonly metadata: ReadonlyMap<string, string>;
  /** In an order in which they can run. */
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** Initializers among them are left out, which files of old list here too. */
  readonly inputs: readonly OnnxInput[];
  readonly outputs: readonly string[];
  readonly functions: readonly OnnxFunction[];
}

/** Parses the model that `source` holds. */
export function parseOnnx(source: ByteSource, openSibling: OpenSibling): Promise<OnnxModel> {
  return new OnnxParser(source, openSibling).model();
}

class OnnxParser {
  readonly #tensors: OnnxTensors;

  constructor(readonly source: ByteSource, openSibling: OpenSibling) {
    this.#tensors = new OnnxTensors(source, openSibling);
  }

  async model(): Promise<OnnxModel> {
    let producer = "", opset = 1;
    const metadata = new Map<string, string>();
    const functions: OnnxFunction[] = [];
    const nodes: OnnxNode[] = [], inputs: OnnxInput[] = [], outputs: string[] = [];
    const initializers = new Map<string, OnnxTensor>();
    for await (const field of this.#ranges({ begin: 0, end: this.source.size! })) {
      if (field.number === 2) producer = await readText(this.source, field);
      if (field.number === 8) opset = await this.#opset(field) ?? opset;
      if (field.number === 14) metadata.set(...await this.#tensors.entry(field));
      if (field.number === 25) functions.push(await this.#function(field));
      if (field.number !== 7) continue;
      for await (const part of this.#ranges(field)) {
        if (part.number === 1) nodes.push(await this.#node(part));
        if (part.number === 11) inputs.push(await this.#input(part));
        if (part.number === 12) outputs.push((await this.#input(part)).name);
        if (part.number !== 5) continue;
        const tensor = await this.#tensors.read(part);
        if (tensor !== undefined) initializers.set(tensor.name, tensor);
      }
    }
    const images = inputs.filter(({ name }) => !initializers.has(name));
    return { producer, opset, metadata, nodes, initializers, inputs: images, outputs, functions };
  }

  /** The version of ONNX's own operators; `undefined` if this is another domain's. */
  async #opset(range: ProtoRange): Promise<number | undefined> {
    let domain = "", version: number | undefined;
    for await (const field of readMessage(this.source, range)) {
      if (field.number === 1 && field.wire === 2) domain = await readText(this.source, field);
      if (field.number === 2 && field.wire === 0) version = field.value;
    }
    return isOwnDomain(domain) ? version : undefined;
  }

  async #function(range: ProtoRange): Promise<OnnxFunction> {
    let name = "", domain = "";
    const inputs: string[] = [], outputs: string[] = [], nodes: OnnxNode[] = [];
    const defaults = new Map<string, OnnxAttribute>();
    for await (const field of this.#ranges(range)) {
      if (field.number === 1) name = await readText(this.source, field);
      if (field.number === 4) inputs.push(await readText(this.source, field));
      if (field.number === 5) outputs.push(await readText(this.source, field));
      if (field.number === 7) nodes.push(await this.#node(field));
      if (field.number === 10) domain = await readText(this.source, field);
      if (field.number === 11) defaults.set(...await this.#attribute(field));
    }
    return { name, domain, inputs, outputs, nodes, defaults };
  }

  async #node(range: ProtoRange): Promise<OnnxNode> {
    let op = "", name = "", domain = "";
    const inputs: string[] = [], outputs: string[] = [];
    const attributes = new Map<string, OnnxAttribute>();
    for await (const field of this.#ranges(range)) {
      if (field.number === 1) inputs.push(await readText(this.source, field));
      if (field.number === 2) outputs.push(await readText(this.source, field));
      if (field.number === 3) name = await readText(this.source, field);
      if (field.number === 4) op = await readText(this.source, field);
      if (field.number === 5) attributes.set(...await this.#attribute(field));
      if (field.number === 7) domain = await readText(this.source, field);
    }
    if (isOwnDomain(domain)) domain = "";
    const [output, ...others] = outputs;
    if (output === undefined) {
      const file = this.source.name;
      throw new CheckpointFormatError(
        `The ONNX model ${file} is damaged: Node ${name} (${op}) has no output`,
        { file, offset: range.begin },
      );
    }
    return { name, domain, op, inputs, outputs: [output, ...others], attributes };
  }

  async #attribute(range: ProtoRange): Promise<[name: string, OnnxAttribute]> {
    let name = "";
    let float: number | undefined, int: number | undefined, text: string | undefined;
    let tensor: OnnxTensor | undefined, reference: string | undefined;
    let floats: number[] = [], ints: number[] = [];
    for await (const field of readMessage(this.source, range)) {
      if (field.number === 2 && field.wire === 5) float = field.value;
      if (field.number === 3 && field.wire === 0) int = field.value;
      if (field.number === 7) floats = floats.concat(await readFloats(this.source, field));
      if (field.number === 8) ints = ints.concat(await readIntegers(this.source, field));
      if (field.wire !== 2) continue;
      if (field.number === 1) name = await readText(this.source, field);
      // Longer ones hold what other programs compiled.
      if (field.number === 4 && field.end - field.begin < 1024) {
        text = await readText(this.source, field);
      }
      if (field.number === 5) tensor = await this.#tensors.read(field);
      if (field.number === 21) reference = await readText(this.source, field);
    }
    return [name, { float, int, text, floats, ints, tensor, reference }];
  }

  async #input(range: ProtoRange): Promise<OnnxInput> {
    let name = "", type: OnnxType | undefined, shape: (number | undefined)[] | undefined;
    for await (const field of this.#ranges(range)) {
      if (field.number === 1) name = await readText(this.source, field);
      if (field.number !== 2) continue;
      for await (const tensor of this.#ranges(field)) {
        if (tensor.number !== 1) continue;
        for await (const part of readMessage(this.source, tensor)) {
          if (part.number === 1 && part.wire === 0) type = onnxType(part.value);
          if (part.number === 2 && part.wire === 2) shape = await this.#shape(part);
        }
      }
    }
    return { name, type, shape };
  }

  async #shape(range: ProtoRange): Promise<(number | undefined)[]> {
    const shape: (number | undefined)[] = [];
    for await (const dimension of this.#ranges(range)) {
      if (dimension.number !== 1) continue;
      let size: number | undefined;
      for await (const field of readMessage(this.source, dimension)) {
        // Some tools write 0 or -1 for what is open.
        if (field.number === 1 && field.wire === 0 && field.value > 0) size = field.value;
      }
      shape.push(size);
    }
    return shape;
  }

  /** The fields that are strings or messages. */
  async *#ranges(range: { begin: number; end: number }): AsyncGenerator<ProtoRange> {
    for await (const field of readMessage(this.source, range)) {
      if (isRange(field)) yield field;
    }
  }
}

function isRange(field: ProtoField): field is ProtoRange {
  return field.wire === 2;
}

function isOwnDomain(domain: string): boolean {
  return domain === "" || domain === "ai.onnx";
}

/** The inputs of a node that are not left out. */
export function inputsOf(node: OnnxNode): string[] {
  return node.inputs.filter((name) => name !== "");
}

/** An attribute that is one integer. */
export function integerOf(node: OnnxNode, attribute: string, fallback: number): number {
  return node.attributes.get(attribute)?.int ?? fallback;
}
