/**
 * The names and the order of a checkpoint's variables, where it is one of objects (TensorFlow 2).
 *
 * @see {@link https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/trackable_object_graph.proto}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type ProtoRange, readMessage, readText } from "../protobuf.ts";

/** One variable: its key in the checkpoint, and what the program calls it. */
export interface ObjectVariable {
  readonly key: string;
  /** Keras' `block1_conv1/kernel`; of a module often nothing more than `Variable`. */
  readonly fullName: string;
  /** Whether it lies in a list of Keras' layers, so that its place in the order is that of the model. */
  readonly isListed: boolean;
}

interface ObjectNode {
  readonly children: { readonly name: string; readonly node: number }[];
  readonly variables: { readonly key: string; readonly fullName: string }[];
}

const MAX_NODES = 1_000_000;

/** What Keras calls its lists of layers, and the layers in them. */
const LISTS = /^(layer(_with_weights)?-\d+|\d+|_operations|_layers|_functional|model)$/;

const NAMES = new Intl.Collator("en", { numeric: true });

/** Reads the variables in the order of the layers that have them. */
export async function readObjectGraph(
  source: ByteSource,
  range: { begin: number; end: number },
): Promise<ObjectVariable[]> {
  const nodes: ObjectNode[] = [];
  for await (const field of readMessage(source, range)) {
    if (field.number !== 1 || field.wire !== 2) continue;
    if (nodes.push(await readNode(source, field)) > MAX_NODES) {
      const text = `${source.name} is damaged: it has over ${MAX_NODES} objects`;
      throw new CheckpointFormatError(text, { file: source.name, offset: field.begin });
    }
  }
  const found: ObjectVariable[] = [];
  const seen = new Set<number>();
  const walk: { index: number; isListed: boolean }[] = [{ index: 0, isListed: false }];
  for (let next = walk.pop(); next !== undefined; next = walk.pop()) {
    const { index, isListed } = next;
    const node = nodes[index];
    if (node === undefined || seen.has(index)) continue;
    seen.add(index);
    found.push(...node.variables.map((variable) => ({ ...variable, isListed })));
    const children = node.children.toSorted((a, b) =>
      Number(LISTS.test(b.name)) - Number(LISTS.test(a.name)) || NAMES.compare(a.name, b.name)
    );
    // The last that is put on the stack is the first that is taken.
    for (const { name, node } of children.reverse()) {
      const isList = LISTS.test(name) && name !== "model";
      walk.push({ index: node, isListed: isListed || isList });
    }
  }
  return found;
}

async function readNode(source: ByteSource, range: ProtoRange): Promise<ObjectNode> {
  const node: ObjectNode = { children: [], variables: [] };
  for await (const field of readMessage(source, range)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) {
      let name = "", index = 0;
      for await (const part of readMessage(source, field)) {
        if (part.number === 1 && part.wire === 0) index = part.value;
        if (part.number === 2 && part.wire === 2) name = await readText(source, part);
      }
      node.children.push({ name, node: index });
    }
    if (field.number === 2) {
      let key = "", fullName = "";
      for await (const part of readMessage(source, field)) {
        if (part.wire !== 2) continue;
        if (part.number === 2) fullName = await readText(source, part);
        if (part.number === 3) key = await readText(source, part);
      }
      node.variables.push({ key, fullName });
    }
  }
  return node;
}
