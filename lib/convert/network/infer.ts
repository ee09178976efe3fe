/** Tells the network from the names, shapes and order of tensors, where the file holds nothing else. */

import type { Checkpoint, CheckpointTensor } from "../formats/checkpoint.ts";
import { chainOf, type Graph, type Layout, type Operator } from "../formats/graph.ts";
import { mappedTensor } from "../formats/tensors.ts";
import { findBlocks } from "./blocks.ts";
import { colorStep } from "./colors.ts";
import { LayerNames } from "./layer_names.ts";
import { layersInOrder } from "./layers.ts";
import { type MapAnswers, readMap } from "./last_map.ts";
import { nameTensors, type NormLayer, type WeightedLayer } from "./names.ts";
import { type NormAnswers, type PlacedNorm, placeNorms } from "./norms.ts";
import { Positions } from "./positions.ts";
import { chooseState } from "./states.ts";
import { ambiguous, unsupported } from "./trace.ts";

/** What a user answers where tensors alone are ambiguous. */
export interface InferOptions extends MapAnswers, NormAnswers {
  /** Which of several networks in a file: what precedes the names of its tensors. */
  readonly state?: string | undefined;
}

/** A network that was told from tensors. */
export interface InferredNetwork {
  readonly graph: Graph;
  /** What was taken for granted, in sentences for people: `"The input is 32x32 pixels, as …"`. */
  readonly assumptions: readonly string[];
}

type Node = Parameters<typeof chainOf>[0][number];

/**
 * Infers the graph of a checkpoint that has none.
 *
 * The numbers of a sequence (`features.7`) say what lies between its layers, names such as `conv4_3` of which
 * block they are, the order of a dictionary and the shapes what follows what. All that is there is held
 * against each other. What nothing tells is taken for granted only if it is so in every VGG: a ReLU behind
 * each layer, and max-pools at the ends of the blocks.
 *
 * @throws {CheckpointFormatError} If the tensors are no VGG's, or those of more than one network: then the
 *   message names the choices, and the option that answers.
 */
export async function inferNetwork(
  checkpoint: Checkpoint,
  file: string,
  options: InferOptions,
): Promise<InferredNetwork> {
  const { order, epsilon } = checkpoint;
  const tensors = chooseState(checkpoint.tensors, options.state, file);
  const { weighted, norms, colors } = nameTensors(tensors, file);
  const isDeclared = order === "declared" && !isSorted(tensors);
  const { convolutions, dense } = layersInOrder(weighted, isDeclared, file);
  const layers = [...weighted, ...norms];
  const positions = new Positions(layers, convolutions);
  const layerNames = new LayerNames(checkpoint.layerNames ?? [], layers, isDeclared);
  refuseUnknown(layerNames, file);
  const evidence = { convolutions, dense, positions, isDeclared, layerNames };
  const blocks = findBlocks(evidence, norms.length > 0, file);
  if (dense.length > 0) refusePools(layerNames.poolCount, file);
  const map = readMap(evidence, options, file);
  const { norm, activation } = options;
  const placed = placeNorms(norms, { ...evidence, norm, activation }, file);
  const layout = convolutions[0]!.weight.layout.outputs === "first" ? "NCHW" : "NHWC";

  const [height, width] = [map.inputSize, map.inputSize];
  const nodes: Node[] = [
    { name: "", operator: { kind: "input", layout, height, width, channels: undefined } },
    ...plain(colors && await colorStep(colors, layout)),
    ...placed.first === undefined ? [] : [await firstNode(placed.first, layout, epsilon)],
  ];
  for (const [index, layer] of convolutions.entries()) {
    const behind = placed.behind.get(layer);
    nodes.push(weightNode(layer, layout, "same"));
    nodes.push(...activated(behind, behind?.hasRelu ?? blocks.hasRelu[index]!, epsilon));
    if (blocks.isLast[index]) nodes.push(...plain(maxPool(layout)));
  }
  for (const operator of map.operators) nodes.push(...plain(operator));
  if (placed.ahead !== undefined) nodes.push(normNode(placed.ahead, epsilon));
  for (const [index, layer] of dense.entries()) {
    const behind = placed.behind.get(layer), next = dense[index + 1];
    nodes.push(weightNode(layer, layout, "valid"));
    const hasRelu = next !== undefined &&
      (behind?.hasRelu ?? hasReluBehind(index, dense, positions, options, file));
    nodes.push(...activated(behind, hasRelu, epsilon));
  }
  return {
    graph: chainOf(nodes),
    assumptions: [...blocks.assumptions, ...map.assumptions],
  };
}

/**
 * Whether somebody has sorted a dictionary, so that its order is an alphabet's: biases come before their weights
 * then, which every framework declares first.
 */
function isSorted(tensors: readonly CheckpointTensor[]): boolean {
  const names = tensors.map(({ name }) => name);
  return names.every((name, index) => index === 0 || names[index - 1]! < name) &&
    names.some((name) => name.endsWith("bias"));
}

/**
 * One module without weights between two dense layers is a ReLU or dropout; two are both. Where dropout comes
 * before each layer, the first one included, none is left before the last. Where nothing is between any of them,
 * they are a list, and the program has the rest.
 */
function hasReluBehind(
  index: number,
  dense: readonly WeightedLayer[],
  positions: Positions,
  options: InferOptions,
  file: string,
): boolean {
  const gaps = dense.slice(1).map((next, i) => positions.between(dense[i]!, next));
  const isDropoutFirst = positions.before(dense[0]!) === 1 && index > 0 &&
    index === gaps.length - 1 && gaps.slice(0, -1).every((gap) => gap === 2);
  const isList = gaps.every((gap) => gap === 0);
  if (options.activation === "relu" && isList) return true;
  if (isList) {
    throw ambiguous(
      `Between the dense layers ${dense[index]!.name} and ${
        dense[index + 1]!.name
      } of ${file} there is no module: say --activation relu if they are in a list, and the program puts a ReLU ` +
        "behind each. Dense layers without one between them are not converted",
      file,
    );
  }
  if (gaps[index] !== 1 || isDropoutFirst || options.activation === "relu") {
    return gaps[index] !== 0;
  }
  throw ambiguous(
    `Between the dense layers ${dense[index]!.name} and ${
      dense[index + 1]!.name
    } of ${file} there is one module ` +
      "without weights, a ReLU or dropout: say --activation relu if it is a ReLU. Dense layers without one between " +
      "them are not converted",
    file,
  );
}

function weightNode(
  { name, weight, bias }: WeightedLayer,
  layout: Layout,
  padding: "same" | "valid",
): Node {
  if (weight.shape.length === 2) return { name, operator: { kind: "dense", weight, bias } };
  return {
    name,
    operator: {
      kind: "conv",
      weight,
      bias,
      stride: [1, 1],
      padding,
      dilation: [1, 1],
      groups: 1,
      layout,
    },
  };
}

/** A normalization of the images: Keras' own layer takes bytes or parts of 1, and nothing is done before it. */
async function firstNode(norm: NormLayer, layout: Layout, epsilon: number): Promise<Node> {
  const { name, gamma, beta, mean, variance } = norm;
  const isKeras = /(^|[./_])normalization(_\d+)?$/.test(name) && !/batch/.test(name);
  if (!isKeras || gamma !== undefined || beta !== undefined) return normNode(norm, epsilon);
  const operator = await colorStep({ mean, std: mappedTensor(variance, Math.sqrt) }, layout);
  return { name, operator: operator ?? { kind: "identity" } };
}

function normNode({ name, gamma, beta, mean, variance }: NormLayer, epsilon: number): Node {
  return { name, operator: { kind: "batchNorm", gamma, beta, mean, variance, epsilon } };
}

/** A ReLU and a normalization in their order. */
function activated(norm: PlacedNorm | undefined, hasRelu: boolean, epsilon: number): Node[] {
  const relu = hasRelu ? plain({ kind: "relu" }) : [];
  if (norm === undefined) return relu;
  const node = normNode(norm.norm, epsilon);
  return norm.isBeforeRelu ? [node, ...relu] : [...relu, node];
}

function plain(operator: Operator | undefined): Node[] {
  return operator === undefined ? [] : [{ name: "", operator }];
}

function maxPool(layout: Layout): Operator {
  return {
    kind: "maxPool",
    window: [2, 2],
    stride: [2, 2],
    padding: "valid",
    roundsUp: false,
    layout,
  };
}

/** What a layer does that has no weights is in the whole model alone. */
function refuseUnknown(layerNames: LayerNames, file: string): void {
  const name = layerNames.first("unknown");
  if (name === undefined) return;
  throw unsupported(
    `The network of ${file} has a layer ${name}, and the file has weights alone, so that what it does is not known: ` +
      "convert the whole model",
    file,
  );
}

/** A VGG has five max-pools; a single one may be a layer that is used five times. */
function refusePools(count: number, file: string): void {
  if (count <= 1 || count === 5) return;
  throw unsupported(
    `The network of ${file} has ${count} max-pools, as its layers' names say: expected the 5 of a VGG`,
    file,
  );
}
