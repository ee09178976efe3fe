/**
 * Reads SavedModels: a graph, what of it is called how, and the variables beside it.
 *
 * @see {@link https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/saved_model.proto}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type ProtoRange, readMessage, readText } from "../protobuf.ts";
import { readEntry, readGraphDef, type TfGraph } from "./graph_def.ts";
import { type Place, Scope } from "./values.ts";

/** What a SavedModel holds but for its variables. */
export interface SavedModel {
  readonly graph: TfGraph;
  /** The values of each signature by its name. */
  readonly signatures: ReadonlyMap<string, readonly string[]>;
}

/** Parses `saved_model.pb`: of several graphs that for serving. */
export async function readSavedModel(source: ByteSource): Promise<SavedModel> {
  const graphs: { range: ProtoRange; tags: readonly string[] }[] = [];
  for await (const field of readMessage(source, { begin: 0, end: source.size! })) {
    if (field.number !== 2 || field.wire !== 2) continue;
    graphs.push({ range: field, tags: await readTags(source, field) });
  }
  const chosen = graphs.find(({ tags }) => tags.join() === "serve") ??
    graphs.find(({ tags }) => tags.includes("serve")) ?? graphs[0];
  if (chosen === undefined) {
    const text = `Expected a graph in the SavedModel ${source.name}: found none`;
    throw new CheckpointFormatError(text, { file: source.name });
  }
  let graph: TfGraph = { nodes: new Map(), functions: new Map() };
  const signatures = new Map<string, readonly string[]>();
  for await (const field of readMessage(source, chosen.range)) {
    if (field.wire !== 2) continue;
    if (field.number === 2) graph = await readGraphDef(source, field);
    if (field.number !== 5) continue;
    const { key, value } = await readEntry(source, field);
    if (value !== undefined) signatures.set(key, await readOutputs(source, value));
  }
  return { graph, signatures };
}

async function readTags(source: ByteSource, range: ProtoRange): Promise<string[]> {
  const tags: string[] = [];
  for await (const field of readMessage(source, range)) {
    if (field.number !== 1 || field.wire !== 2) continue;
    for await (const part of readMessage(source, field)) {
      if (part.number === 4 && part.wire === 2) tags.push(await readText(source, part));
    }
  }
  return tags;
}

/** The names of a `SignatureDef`'s outputs. */
async function readOutputs(source: ByteSource, range: ProtoRange): Promise<string[]> {
  const outputs: string[] = [];
  for await (const field of readMessage(source, range)) {
    if (field.number !== 2 || field.wire !== 2) continue;
    const { value } = await readEntry(source, field);
    if (value === undefined) continue;
    for await (const part of readMessage(source, value)) {
      if (part.number === 1 && part.wire === 2) outputs.push(await readText(source, part));
    }
  }
  return outputs;
}

/**
 * Finds which key of the checkpoint each variable is restored from, by what the graph itself does.
 *
 * @returns Keys by the names of the nodes that declare the variables.
 */
export function restoredKeys({ nodes, functions }: TfGraph): Map<string, string> {
  const keys = new Map<string, string>();
  const outer = Scope.outer(nodes);
  const scopes = [outer];
  for (const node of nodes.values()) {
    const called = functions.get(node.attributes.get("f")?.func ?? "");
    if (called !== undefined) scopes.push(outer.inner(node, called));
  }
  for (const scope of scopes) {
    for (const { op, inputs } of scope.nodes.values()) {
      if (op !== "Assign" && op !== "AssignVariableOp") continue;
      const restored = withoutIdentities(scope.locate(inputs[1] ?? ""));
      if (restored?.node.op !== "RestoreV2") continue;
      const variable = scope.locate(inputs[0] ?? "");
      const names = restored.scope.locate(restored.node.inputs[1] ?? "");
      const key = names?.node.attributes.get("value")?.strings?.[restored.index];
      if (variable !== undefined && key !== undefined) keys.set(variable.node.name, key);
    }
  }
  return keys;
}

/** Identities in a row: no tool writes more than a few, and those of a hostile file may go in circles. */
const MOST_IDENTITIES = 1000;

/** What identities pass on, if anything. */
function withoutIdentities(place: Place | undefined): Place | undefined {
  for (let n = 0; place?.node.op === "Identity" && n < MOST_IDENTITIES; n++) {
    place = place.scope.locate(place.node.inputs[0] ?? "");
  }
  return place;
}
