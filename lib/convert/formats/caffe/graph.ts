/** Caffe's layers as a graph. */

import type { ByteSource } from "../../../io/byte_source.ts";
import type { Graph, GraphNode, Operator } from "../graph.ts";
import { imagesFrom } from "./data.ts";
import type { CaffeLayer } from "./layer.ts";
import { TRANSLATIONS, unsupported } from "./operators.ts";

/** Layers that are beside the network: they compare what it gives, or drop it. */
const BESIDE = /Loss$|^(Accuracy|ArgMax|HDF5Output|Silence)$/;
/** Losses that make scores of the logits first. */
const SCORES: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ["SoftmaxWithLoss", { kind: "softmax" }],
  ["SigmoidCrossEntropyLoss", { kind: "sigmoid" }],
]);

/** A value that a layer has given. */
interface Value {
  /** Its name in the graph, which is its alone: Caffe's layers may replace what they take. */
  readonly id: string;
  /** Whether it is `[N, features]`. */
  readonly isFlat: boolean;
}

/**
 * Makes a graph.
 *
 * @param inputs Inputs that no layer gives, with their sizes, as far as they are known.
 */
export async function graphOf(
  layers: readonly CaffeLayer[],
  inputs: ReadonlyMap<string, Operator>,
  source: ByteSource,
): Promise<Graph> {
  const nodes: GraphNode[] = [];
  const values = new Map<string, Value>();
  const give = (name: string, inputs: string[], top: string, operator: Operator): string => {
    const output = `${top}#${nodes.length}`;
    nodes.push({ name, inputs, output, operator });
    return output;
  };
  const valueOf = (bottom: string): Value => {
    const value = values.get(bottom);
    if (value !== undefined) return value;
    const input = inputs.get(bottom) ?? { kind: "input", layout: "NCHW", ...UNKNOWN };
    const given = { id: give(bottom, [], bottom, input), isFlat: false };
    values.set(bottom, given);
    return given;
  };
  for (const layer of layers) {
    const { name, type, bottoms, tops } = layer;
    if (BESIDE.test(type)) continue;
    if (bottoms.length === 0) {
      const images = await imagesFrom(layer);
      for (const top of tops) values.set(top, { id: give(name, [], top, images), isFlat: false });
      continue;
    }
    const taken = bottoms.map(valueOf);
    let { id, isFlat } = taken[0]!;
    let ids = taken.map(({ id }) => id);
    const translate = bottoms.length === 1 && Object.hasOwn(TRANSLATIONS, type)
      ? TRANSLATIONS[type]
      : undefined;
    const operators = await translate?.(layer, source, isFlat) ?? [unsupported(layer)];
    for (const operator of operators) {
      id = give(name, ids, tops[0] ?? name, operator);
      ids = [id];
      isFlat ||= operator.kind === "flatten";
    }
    for (const top of tops) values.set(top, { id, isFlat });
  }
  const taken = new Set(nodes.flatMap(({ inputs }) => inputs));
  for (const { name, type, bottoms } of layers) {
    const operator = SCORES.get(type), logits = values.get(bottoms[0] ?? "");
    // A network that is trained and used may have scores of its own beside.
    if (operator === undefined || logits === undefined || taken.has(logits.id)) continue;
    give(name, [logits.id], name, operator);
    taken.add(logits.id);
  }
  const outputs = nodes.filter(({ output, operator }) =>
    operator.kind !== "input" && !taken.has(output)
  );
  return { nodes, outputs: outputs.map(({ output }) => output) };
}

const UNKNOWN = { height: undefined, width: undefined, channels: undefined };
