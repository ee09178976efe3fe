/** The one way through a graph, from the image to the output. */

import { CheckpointFormatError } from "../../errors.ts";
import type { Graph, GraphNode } from "../formats/graph.ts";

/**
 * Follows a graph from its output back to its input. What lies beside this way does not matter.
 *
 * @returns The nodes in the order in which they run, the `input` first.
 * @throws {CheckpointFormatError} If it has no output or several, or a node on the way takes several values.
 */
export function traceGraph({ nodes, outputs }: Graph, file: string): GraphNode[] {
  const producers = new Map(nodes.map((node) => [node.output, node]));
  const ways = [...new Set(outputs)].map((output) => wayTo(output, producers, file));
  // One output may lie on the way to another, as logits do to their soft-max.
  const [longest = [], ...others] = ways.toSorted((a, b) => b.length - a.length);
  const apart = others.find((way) => way.some((node, index) => node !== longest[index]));
  if (apart !== undefined) {
    throw unsupported(
      `The network of ${file} has ${ways.length} outputs: ${outputs.join(", ")}. One of them ` +
        "could be classified by; cut the others off",
      file,
    );
  }
  if (longest[0]?.operator.kind !== "input") {
    throw unsupported(`The network of ${file} has no way from an image to an output`, file);
  }
  return longest;
}

function wayTo(
  output: string,
  producers: ReadonlyMap<string, GraphNode>,
  file: string,
): GraphNode[] {
  const way: GraphNode[] = [];
  const seen = new Set<string>();
  for (let value: string | undefined = output; value !== undefined;) {
    const node = producers.get(value);
    if (node === undefined) {
      throw unsupported(`Nothing in the network of ${file} gives ${value}`, file);
    }
    if (seen.has(value)) throw unsupported(`The network of ${file} goes round at ${value}`, file);
    seen.add(value);
    way.push(node);
    refuseUnsupported(node, file);
    if (node.inputs.length > 1) {
      throw unsupported(
        `${describeNode(node)} of ${file} takes ${node.inputs.length} values that are computed: ` +
          "a VGG is one chain of layers",
        file,
      );
    }
    value = node.inputs[0];
  }
  return way.reverse();
}

function refuseUnsupported(node: GraphNode, file: string): void {
  const { operator } = node;
  if (operator.kind !== "unsupported") return;
  const because = operator.because === undefined ? "no layer of a VGG" : operator.because;
  throw unsupported(`${describeNode(node)} of ${file} cannot be converted: ${because}`, file);
}

/** A node in words: the file's own, where it has them. */
export function describeNode({ name, operator }: GraphNode): string {
  const kind = operator.kind === "unsupported" ? operator.type : KINDS[operator.kind];
  return name === "" ? `a ${kind}` : `the ${kind} ${name}`;
}

const KINDS = {
  input: "input",
  affine: "scale or offset",
  batchNorm: "batch normalization",
  conv: "convolution",
  dense: "dense layer",
  relu: "ReLU",
  maxPool: "max pool",
  averagePool: "average pool",
  globalAverage: "global average pool",
  adaptiveAverage: "adaptive average pool",
  flatten: "flattening",
  pad: "padding",
  transpose: "transposition",
  reverseColors: "reversal of the colors",
  softmax: "soft-max",
  sigmoid: "sigmoid",
  identity: "identity",
} as const;

/** The error of a network that is no VGG, or none that folds exactly to one. */
export function unsupported(message: string, file: string): CheckpointFormatError {
  const text = message[0]!.toUpperCase() + message.slice(1);
  return new CheckpointFormatError(text, { code: "checkpoint-unsupported", file });
}

/** The error of what could be several things: `message` names them, and the option that answers. */
export function ambiguous(message: string, file: string): CheckpointFormatError {
  const text = message[0]!.toUpperCase() + message.slice(1);
  return new CheckpointFormatError(text, { code: "checkpoint-ambiguous", file });
}
