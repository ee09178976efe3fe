/**
 * Parses TensorFlow's graphs: nodes, their attributes and functions, without their meaning.
 *
 * @see {@link https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/framework} (graph.proto,
 *   node_def.proto, attr_value.proto, function.proto)
 */

import type { ByteSource } from "../../../io/byte_source.ts";
import type { CheckpointTensor } from "../checkpoint.ts";
import { type ProtoRange, readIntegers, readMessage, readText } from "../protobuf.ts";
import { readShape, readTensor, type Sizes } from "./tensor_proto.ts";

/** An attribute's value: the kinds that matter here. */
export interface TfAttribute {
  readonly text?: string | undefined;
  /** An integer, a boolean or a data type. */
  readonly int?: number | undefined;
  readonly float?: number | undefined;
  readonly ints: readonly number[];
  readonly texts: readonly string[];
  /** `undefined` if nothing is known. */
  readonly shape?: Sizes | undefined;
  readonly tensor?: CheckpointTensor | undefined;
  /** Of a constant that holds texts. */
  readonly strings?: readonly string[] | undefined;
  /** The name of a function. */
  readonly func?: string | undefined;
}

/** One node. */
export interface TfNode {
  readonly name: string;
  readonly op: string;
  /** Values by the names of their nodes, with `:N` for another than the first; without what only has to run before. */
  readonly inputs: readonly string[];
  readonly attributes: Map<string, TfAttribute>;
}

/** Nodes by their names. */
export type TfNodes = ReadonlyMap<string, TfNode>;

/** A function: a graph with arguments. */
export interface TfFunction {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly nodes: TfNodes;
  /** The values that it gives, in order. */
  readonly returns: readonly string[];
}

/** A graph, and the functions that it calls. */
export interface TfGraph {
  readonly nodes: TfNodes;
  readonly functions: ReadonlyMap<string, TfFunction>;
}

/** Parses a `GraphDef`. */
export async function readGraphDef(
  source: ByteSource,
  range: { begin: number; end: number },
): Promise<TfGraph> {
  const nodes = new Map<string, TfNode>();
  const functions = new Map<string, TfFunction>();
  let version = 0;
  for await (const field of readMessage(source, range)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) {
      const node = await readNode(source, field);
      nodes.set(node.name, node);
    }
    if (field.number === 4) {
      for await (const part of readMessage(source, field)) {
        if (part.number === 1 && part.wire === 0) version = part.value;
      }
    }
    if (field.number !== 2) continue;
    for await (const part of readMessage(source, field)) {
      if (part.number !== 1 || part.wire !== 2) continue;
      const definition = await readFunction(source, part);
      functions.set(definition.name, definition);
    }
  }
  if (version < SHAPES_ARE_KNOWN) { for (const node of nodes.values()) forgetShape(node); }
  return { nodes, functions };
}

/** Before this version of graphs, a placeholder's shape without axes said that nothing is known of it. */
const SHAPES_ARE_KNOWN = 24;

function forgetShape({ op, attributes }: TfNode): void {
  if (op !== "Placeholder" || attributes.get("shape")?.shape?.length !== 0) return;
  attributes.delete("shape");
}

async function readNode(source: ByteSource, range: ProtoRange): Promise<TfNode> {
  let name = "", op = "";
  const inputs: string[] = [];
  const attributes = new Map<string, TfAttribute>();
  for await (const field of readMessage(source, range)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) name = await readText(source, field);
    if (field.number === 2) op = await readText(source, field);
    if (field.number === 3) inputs.push(await readText(source, field));
    if (field.number !== 5) continue;
    const { key, value } = await readEntry(source, field);
    if (value !== undefined) attributes.set(key, await readAttribute(source, value, name));
  }
  return { name, op, inputs: inputs.filter((input) => !input.startsWith("^")), attributes };
}

/** One entry of a map. */
export async function readEntry(
  source: ByteSource,
  range: ProtoRange,
): Promise<{ key: string; value: ProtoRange | undefined }> {
  let key = "", value: ProtoRange | undefined;
  for await (const field of readMessage(source, range)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) key = await readText(source, field);
    if (field.number === 2) value = field;
  }
  return { key, value };
}

async function readAttribute(
  source: ByteSource,
  range: ProtoRange,
  owner: string,
): Promise<TfAttribute> {
  const attribute: { -readonly [K in keyof TfAttribute]: TfAttribute[K] } = { ints: [], texts: [] };
  for await (const field of readMessage(source, range)) {
    const { number } = field;
    if (field.wire === 5 && number === 4) attribute.float = field.value;
    if (field.wire === 0 && (number === 3 || number === 5 || number === 6)) {
      attribute.int = field.value;
    }
    if (field.wire !== 2) continue;
    if (number === 1) Object.assign(attribute, await readList(source, field));
    // Device settings of a function's call are long, and say nothing about the network.
    if (number === 2 && field.end - field.begin < MAX_TEXT) {
      attribute.text = await readText(source, field);
    }
    if (number === 7) attribute.shape = await readShape(source, field);
    if (number === 8) Object.assign(attribute, await readTensor(source, field, owner));
    if (number === 10) {
      for await (const part of readMessage(source, field)) {
        if (part.number === 1 && part.wire === 2) attribute.func = await readText(source, part);
      }
    }
  }
  return attribute;
}

const MAX_TEXT = 4096;

async function readList(
  source: ByteSource,
  range: ProtoRange,
): Promise<Pick<TfAttribute, "ints" | "texts">> {
  const ints: number[] = [], texts: string[] = [];
  for await (const field of readMessage(source, range)) {
    if (field.number === 3) ints.push(...await readIntegers(source, field));
    if (field.number === 2 && field.wire === 2 && field.end - field.begin < MAX_TEXT) {
      texts.push(await readText(source, field));
    }
  }
  return { ints, texts };
}

async function readFunction(source: ByteSource, range: ProtoRange): Promise<TfFunction> {
  let name = "";
  const parameters: string[] = [], results: string[] = [];
  const nodes = new Map<string, TfNode>();
  const returned = new Map<string, string>();
  for await (const field of readMessage(source, range)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) {
      for await (const part of readMessage(source, field)) {
        if (part.wire !== 2) continue;
        if (part.number === 1) name = await readText(source, part);
        if (part.number === 2) parameters.push(await readArgument(source, part));
        if (part.number === 3) results.push(await readArgument(source, part));
      }
    }
    if (field.number === 3) {
      const node = await readNode(source, field);
      nodes.set(node.name, node);
    }
    if (field.number === 4) {
      const { key, value } = await readEntry(source, field);
      if (value !== undefined) returned.set(key, await readText(source, value));
    }
  }
  return { name, parameters, nodes, returns: results.map((result) => returned.get(result) ?? "") };
}

/** The name of an `OpDef.ArgDef`. */
async function readArgument(source: ByteSource, range: ProtoRange): Promise<string> {
  for await (const field of readMessage(source, range)) {
    if (field.number === 1 && field.wire === 2) return await readText(source, field);
  }
  return "";
}
