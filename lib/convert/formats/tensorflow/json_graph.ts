/** Graphs as TensorFlow.js has them: protocol buffers as JSON, with the constants in files of their own. */

import { isRecord } from "../../../model/json.ts";
import type { CheckpointTensor } from "../checkpoint.ts";
import type { TfAttribute, TfGraph, TfNode } from "./graph_def.ts";
import type { Sizes } from "./tensor_proto.ts";

/** `DT_FLOAT`, `DT_INT32` and others that matter, by their numbers. */
const TYPES: ReadonlyMap<string, number> = new Map(Object.entries({
  DT_FLOAT: 1,
  DT_DOUBLE: 2,
  DT_INT32: 3,
  DT_UINT8: 4,
  DT_STRING: 7,
  DT_INT64: 9,
  DT_BOOL: 10,
  DT_BFLOAT16: 14,
  DT_HALF: 19,
}));

/**
 * Makes a graph of a topology; what is no node is left out.
 *
 * @param constants By the names of their nodes.
 */
export function graphOfJson(
  topology: unknown,
  constants: ReadonlyMap<string, CheckpointTensor>,
): TfGraph {
  const list = isRecord(topology) && Array.isArray(topology.node) ? topology.node : [];
  const nodes = new Map<string, TfNode>();
  for (const item of list) {
    if (!isRecord(item) || typeof item.name !== "string" || typeof item.op !== "string") continue;
    const { name, op } = item;
    const inputs = textsOf(item.input).filter((input) => !input.startsWith("^"));
    const attributes = new Map<string, TfAttribute>();
    for (const [key, value] of isRecord(item.attr) ? Object.entries(item.attr) : []) {
      attributes.set(key, attributeOf(value));
    }
    const tensor = constants.get(name);
    if (op === "Const" && tensor !== undefined) {
      attributes.set("value", { ints: [], texts: [], tensor });
    }
    nodes.set(name, { name, op, inputs, attributes });
  }
  return { nodes, functions: new Map() };
}

function attributeOf(value: unknown): TfAttribute {
  if (!isRecord(value)) return { ints: [], texts: [] };
  const list = isRecord(value.list) ? value.list : {};
  return {
    text: typeof value.s === "string" ? decoded(value.s) : undefined,
    int: integerOf(value.i ?? value.b ?? value.type),
    float: typeof value.f === "number" ? value.f : undefined,
    ints: (Array.isArray(list.i) ? list.i : []).map((item) => integerOf(item) ?? NaN),
    texts: textsOf(list.s).map(decoded),
    shape: shapeOf(value.shape),
  };
}

/** Integers of 64 bits are texts; types have names. */
function integerOf(value: unknown): number | undefined {
  if (typeof value === "string") return TYPES.get(value) ?? Number(value);
  return typeof value === "number" || typeof value === "boolean" ? Number(value) : undefined;
}

function shapeOf(value: unknown): Sizes | undefined {
  if (!isRecord(value) || value.unknownRank === true) return undefined;
  return (Array.isArray(value.dim) ? value.dim : []).map((dim) => {
    const size = isRecord(dim) ? integerOf(dim.size) : undefined;
    return size !== undefined && size >= 0 ? size : undefined;
  });
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** Texts of attributes are bytes, in base64. */
function decoded(text: string): string {
  try {
    return atob(text);
  } catch {
    return text;
  }
}
