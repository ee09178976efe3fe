/** The graph of a whole module that was saved, where its classes tell what it does. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { CheckpointTensor } from "../checkpoint.ts";
import type { Graph, GraphNode } from "../graph.ts";
import { type Argument, AtenTranslator, parametersOf } from "./aten.ts";
import type { PickledObject, PickledValue } from "./pickled.ts";
import { submodulesOf } from "./state.ts";

/** A module without others in it. */
interface Leaf {
  /** As `state_dict()` has it. */
  readonly name: string;
  /** Its class, without the package if it is PyTorch's own: `ReLU`, `net.Swish`. */
  readonly type: string;
  readonly isOwn: boolean;
  readonly module: PickledObject;
}

/** The operator that a layer of PyTorch's calls, and those of its parameters that are attributes of the layer. */
type LayerCall = readonly [operator: string, ...parameters: string[]];

const LAYERS: ReadonlyMap<string, LayerCall> = new Map(Object.entries<LayerCall>({
  Conv2d: ["conv2d", "stride", "padding", "dilation", "groups"],
  Linear: ["linear"],
  BatchNorm1d: ["batch_norm", "eps"],
  BatchNorm2d: ["batch_norm", "eps"],
  SyncBatchNorm: ["batch_norm", "eps"],
  ReLU: ["relu"],
  MaxPool2d: ["max_pool2d", "kernel_size", "stride", "padding", "dilation", "ceil_mode"],
  AvgPool2d: ["avg_pool2d", "kernel_size", "stride", "padding", "ceil_mode", "divisor_override"],
  AdaptiveAvgPool2d: ["adaptive_avg_pool2d", "output_size"],
  Flatten: ["flatten", "start_dim", "end_dim"],
  ZeroPad2d: ["pad", "padding"],
  ConstantPad2d: ["pad", "padding", "value"],
  Softmax: ["softmax", "dim"],
  LogSoftmax: ["softmax", "dim"], // Its exponents are the same scores.
  Sigmoid: ["sigmoid"],
  Identity: ["alias"],
  Dropout: ["dropout"],
  Dropout1d: ["dropout"],
  Dropout2d: ["dropout"],
  AlphaDropout: ["dropout"],
  FeatureAlphaDropout: ["dropout"],
}));

/** A call of an operator that waits for its input. */
interface Step {
  readonly name: string;
  readonly operator: string;
  readonly given: readonly (readonly [string, Argument])[];
}

const OWN = "torch.nn.modules.";
const SEQUENTIAL = `${OWN}container.Sequential`;

/**
 * Translates a module. One that is a `Sequential` runs its modules in their order; of another class nobody
 * knows what `forward` does, but if it has a ReLU of its own for each layer, and no tensors besides its
 * layers', it is taken to run them in their order, too.
 *
 * @param tensors What the module's `state_dict()` gives.
 * @returns No graph if the order of its modules is not that of a network, but what its batch
 *   normalizations add to the variance.
 * @throws {CheckpointFormatError} If then a layer is none of a VGG.
 */
export function moduleGraph(
  module: PickledObject,
  tensors: readonly CheckpointTensor[],
  file: string,
): { readonly graph: Graph | undefined; readonly epsilon: number } {
  const { leaves, isSequential } = leavesOf(module);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const steps = leaves.map((leaf) => stepOf(leaf, byName));
  const isRow = isSequential ||
    (hasActivations(leaves) && ownsAll(leaves, tensors) && addFlatten(steps, byName));
  const nodes = chain(steps, byName);
  if (leaves.length <= MAX_LEAVES && isRow) {
    return { graph: { nodes, outputs: [nodes.at(-1)!.output] }, epsilon: 1e-5 };
  }
  const own = new Set(leaves.filter(({ isOwn }) => isOwn).map(({ name }) => name));
  return {
    graph: undefined,
    epsilon: checkLayers(nodes.filter(({ name }) => own.has(name)), file),
  };
}

const MAX_LEAVES = 4096;
const MAX_DEPTH = 32;

/** Modules that compute a loss or a measure stand beside the network. */
const BESIDE = /^(torch\.nn\.modules\.loss|torchmetrics)\./;

/** The leaves in their order, and whether all that they are in runs them in it. */
function leavesOf(module: PickledObject): { leaves: Leaf[]; isSequential: boolean } {
  const leaves: Leaf[] = [];
  let isSequential = true;
  const visit = (node: PickledObject, name: string, depth: number): void => {
    if (leaves.length > MAX_LEAVES) return;
    const below = depth > MAX_DEPTH ? [] : submodulesOf(node);
    for (const [key, child] of below) visit(child, name === "" ? key : `${name}.${key}`, depth + 1);
    if (below.length > 0) {
      const isWrapper = below.length === 1 && /^torch\.nn\.parallel\.\w+\.\w+$/.test(node.name);
      isSequential &&= node.name === SEQUENTIAL || isWrapper;
      return;
    }
    const isOwn = node.name.startsWith(OWN);
    const type = isOwn || /\.Flatten$/.test(node.name) ? node.name.replace(/^.*\./, "") : node.name;
    if (!BESIDE.test(node.name)) leaves.push({ name, type, isOwn, module: node });
  };
  visit(module, "", 0);
  return { leaves, isSequential };
}

/** Whether what follows each layer but the last, before the next one, is an activation. */
function hasActivations(leaves: readonly Leaf[]): boolean {
  const words = leaves.flatMap(({ type }) => {
    if (/^(Conv\dd|Linear)$/.test(type)) return "layer";
    return /(ReLU|LU|Swish|Mish|Tanh|Sigmoid|Softplus|Softmax)\w*$/.test(type) ? "activation" : [];
  });
  return words.includes("layer") &&
    words.every((word, index) => word === "activation" || words[index + 1] !== "layer");
}

/** Whether all tensors are those of the leaves. Others are of what `forward` does by itself. */
function ownsAll(leaves: readonly Leaf[], tensors: readonly CheckpointTensor[]): boolean {
  const names = new Set(leaves.map(({ name }) => name));
  return tensors.every(({ name }) => names.has(name.replace(/\.?[^.]*$/, "")));
}

function stepOf(
  { name, type, module }: Leaf,
  tensors: ReadonlyMap<string, CheckpointTensor>,
): Step {
  const mode = module.attribute("padding_mode") ?? "zeros";
  const layer = LAYERS.get(type);
  if (layer === undefined || mode !== "zeros") {
    return { name, operator: layer === undefined ? type : `${type} with other padding`, given: [] };
  }
  const roles = ["weight", "bias", "running_mean", "running_var"].flatMap((role) => {
    const full = name === "" ? role : `${name}.${role}`;
    return tensors.has(full) ? [[role, { value: full }] as const] : [];
  });
  const [operator, ...parameters] = layer;
  const attributes = parameters.flatMap((name) => {
    const value = module.attribute(name);
    return value === undefined ? [] : [[name, argumentOf(value)] as const];
  });
  // PyTorch's operator flattens the images, too, if nobody says otherwise; its layer does not.
  const defaults = type === "Flatten" ? [["start_dim", 1] as const] : [];
  return { name, operator, given: [...defaults, ...roles, ...attributes] };
}

function argumentOf(value: PickledValue): Argument {
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "string") {
    return value;
  }
  const isNumbers = Array.isArray(value) && value.every((item) => typeof item === "number");
  return isNumbers ? value as number[] : null;
}

/**
 * Puts in the flattening that a `forward` does, before the first dense layer. Of a map of one position it
 * might be an average as well.
 *
 * @returns Whether it is known.
 */
function addFlatten(steps: Step[], tensors: ReadonlyMap<string, CheckpointTensor>): boolean {
  const first = steps.findIndex(({ operator }) => operator === "linear");
  const before = steps.slice(0, Math.max(0, first));
  if (first < 0 || before.some(({ operator }) => operator === "flatten")) return true;
  const shapeOf = (step: Step | undefined) => step && tensors.get(`${step.name}.weight`)?.shape;
  const channels = shapeOf(before.findLast(({ operator }) => operator === "conv2d"))?.[0];
  const isOne = channels === shapeOf(steps[first])?.[1];
  steps.splice(first, 0, { name: "flatten", operator: "flatten", given: [["start_dim", 1]] });
  return !isOne || before.some(({ operator }) => operator === "adaptive_avg_pool2d");
}

/** Gives each step what the one before it gives. */
function chain(
  steps: readonly Step[],
  tensors: ReadonlyMap<string, CheckpointTensor>,
): GraphNode[] {
  const translator = new AtenTranslator(tensors);
  let last = "the image";
  for (const [index, { name, operator, given }] of steps.entries()) {
    const input = parametersOf(operator)[0] ?? "self", output = name || `${index}`;
    translator.add({
      operator,
      given: new Map([[input, { value: last }], ...given]),
      outputs: [output],
    });
    last = output;
  }
  const conv = translator.nodes.find(({ operator }) => operator.kind === "conv")?.operator;
  const channels = conv?.kind === "conv" ? conv.weight.shape[1]! * conv.groups : undefined;
  const size = { height: undefined, width: undefined, channels };
  const input = { name: "input", inputs: [], output: "the image" };
  return [
    { ...input, operator: { kind: "input", layout: "NCHW", ...size } },
    ...translator.nodes,
  ];
}

/** Looks at layers of which nobody knows how they are used, only that they are. */
function checkLayers(nodes: readonly GraphNode[], file: string): number {
  const epsilons = new Set<number>();
  for (const node of nodes) {
    const { name, operator } = node;
    if (operator.kind === "batchNorm") epsilons.add(operator.epsilon);
    if (!isUnusual(node) && epsilons.size < 2) continue;
    const what = operator.kind === "unsupported" ? operator.type : operator.kind;
    throw new CheckpointFormatError(
      `The module in ${file} has the layer ${name} (${what}), which is not that of a VGG`,
      { code: "checkpoint-unsupported", file },
    );
  }
  return [...epsilons][0] ?? 1e-5;
}

function isUnusual({ operator }: GraphNode): boolean {
  if (operator.kind !== "conv") return operator.kind === "unsupported";
  const { stride, dilation, groups, padding, weight } = operator;
  const [vertical, horizontal] = weight.shape.slice(2).map((size) => (size - 1) / 2);
  return String([stride, dilation, groups]) !== "1,1,1,1,1" ||
    !["same", String([vertical, horizontal, vertical, horizontal])].includes(String(padding));
}
