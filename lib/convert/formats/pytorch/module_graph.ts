/** The graph of a whole module that was saved, where its classes tell what it does. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { CheckpointTensor } from "../checkpoint.ts";
import { chainOf, type Graph, type Operator, type Padding, type Pair } from "../graph.ts";
import type { PickledObject, PickledValue } from "./pickled.ts";
import { submodulesOf } from "./state.ts";

/** A module without others in it. */
interface Leaf {
  /** As `state_dict()` has it. */
  readonly name: string;
  /** Its class, without the package if it is PyTorch's own: `ReLU`, `net.Swish`. */
  readonly type: string;
  /** Whether it is PyTorch's own. */
  readonly isOwn: boolean;
  readonly module: PickledObject;
}

type Step = { readonly name: string; readonly operator: Operator };

const OWN = "torch.nn.modules.";
const SEQUENTIAL = `${OWN}container.Sequential`;

/**
 * Translates a module. One that is a `Sequential` runs its modules in their order; of another class nobody
 * knows what `forward` does, but if it has a ReLU of its own for each layer, and they are in the order of a
 * network, so it is taken.
 *
 * @param tensors What the module's `state_dict()` gives.
 * @returns `undefined` if the order of its modules is not that of a network.
 */
export function moduleGraph(
  module: PickledObject,
  tensors: readonly CheckpointTensor[],
): Graph | undefined {
  const { leaves, isSequential } = leavesOf(module);
  if (leaves.length > MAX_LEAVES) return undefined;
  if (!isSequential && !hasActivations(leaves)) return undefined;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const steps = leaves.map((leaf): Step => ({
    name: leaf.name,
    operator: operatorOf(leaf, byName),
  }));
  if (!isSequential && !addFlatten(steps)) return undefined;
  const channels = steps.find(({ operator }) => operator.kind === "conv")?.operator;
  const input: Operator = {
    kind: "input",
    layout: "NCHW",
    height: undefined,
    width: undefined,
    channels: channels?.kind === "conv" ? channels.weight.shape[1]! * channels.groups : undefined,
  };
  return chainOf([{ name: "input", operator: input }, ...steps]);
}

/**
 * Looks at the layers of a module of which nobody knows what `forward` does, only that it uses them.
 *
 * @returns What its batch normalizations add to the variance.
 * @throws {CheckpointFormatError} If one is none of a VGG.
 */
export function checkLayers(module: PickledObject, file: string): number {
  const epsilons = new Set<number>();
  for (const leaf of leavesOf(module).leaves) {
    if (!leaf.isOwn) continue;
    const operator = operatorOf(leaf, undefined);
    if (operator.kind === "batchNorm") epsilons.add(operator.epsilon);
    if (!isUnusual(leaf, operator) && epsilons.size < 2) continue;
    const { name, type } = leaf;
    throw new CheckpointFormatError(
      `The module in ${file} has the layer ${name} (${type}), which is not that of a VGG`,
      { code: "checkpoint-unsupported", file },
    );
  }
  return [...epsilons][0] ?? 1e-5;
}

function isUnusual({ module }: Leaf, operator: Operator): boolean {
  if (operator.kind !== "conv") return operator.kind === "unsupported";
  const { stride, dilation, groups, padding } = operator;
  const sides = pairOf(module.attribute("kernel_size"))?.map((size) => (size - 1) / 2);
  return String([stride, dilation, groups]) !== "1,1,1,1,1" ||
    !["same", `${sides},${sides}`].includes(String(padding));
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

/**
 * Puts in the flattening that a `forward` does, before the first dense layer. Of a map of one position it
 * might be an average as well.
 *
 * @returns Whether it is known.
 */
function addFlatten(steps: Step[]): boolean {
  const first = steps.findIndex(({ operator }) => operator.kind === "dense");
  const dense = steps[first]?.operator;
  if (dense?.kind !== "dense") return true;
  const before = steps.slice(0, first).map(({ operator }) => operator);
  if (before.some(({ kind }) => kind === "flatten")) return true;
  const conv = before.findLast(({ kind }) => kind === "conv");
  const isPooled = before.some(({ kind }) =>
    kind === "globalAverage" || kind === "adaptiveAverage"
  );
  const isOne = conv?.kind === "conv" && conv.weight.shape[0] === dense.weight.shape[1];
  steps.splice(first, 0, { name: "flatten", operator: { kind: "flatten" } });
  return isPooled || !isOne;
}

/** @param tensors Where there are none, a weight is taken for granted. */
function operatorOf(
  { name, type, module }: Leaf,
  tensors: ReadonlyMap<string, CheckpointTensor> | undefined,
): Operator {
  const unsupported = (because?: string): Operator => ({ kind: "unsupported", type, because });
  const tensor = (role: string): CheckpointTensor | undefined =>
    tensors === undefined ? NOTHING : tensors.get(name === "" ? role : `${name}.${role}`);
  const number = (key: string, otherwise: number): number => {
    const value = module.attribute(key);
    return typeof value === "number" ? value : otherwise;
  };
  const pair = (key: string): Pair | undefined => pairOf(module.attribute(key));
  const weight = tensor("weight"), bias = tensor("bias");
  switch (type) {
    case "Conv2d": {
      const stride = pair("stride"), dilation = pair("dilation"), around = paddingOf(module);
      const mode = module.attribute("padding_mode") ?? "zeros";
      if (weight === undefined || stride === undefined || dilation === undefined) {
        return unsupported("its weight, stride or dilation is missing");
      }
      if (around === undefined || mode !== "zeros") {
        return unsupported(`it pads with ${String(mode)}`);
      }
      const groups = number("groups", 1);
      const geometry = { stride, padding: around, dilation, groups, layout: "NCHW" as const };
      return { kind: "conv", weight, bias, ...geometry };
    }
    case "Linear":
      return weight === undefined
        ? unsupported("its weight is missing")
        : { kind: "dense", weight, bias };
    case "BatchNorm1d":
    case "BatchNorm2d":
    case "SyncBatchNorm": {
      const mean = tensor("running_mean"), variance = tensor("running_var");
      if (mean === undefined || variance === undefined) return unsupported("it has no statistics");
      const epsilon = number("eps", 1e-5);
      return { kind: "batchNorm", gamma: weight, beta: bias, mean, variance, epsilon };
    }
    case "ReLU":
      return { kind: "relu" };
    case "MaxPool2d":
    case "AvgPool2d": {
      const window = pair("kernel_size"), stride = pair("stride") ?? window;
      const padding = paddingOf(module);
      const dilation = pair("dilation") ?? [1, 1];
      const divisor = module.attribute("divisor_override") ?? null;
      if (window === undefined || stride === undefined || padding === undefined) {
        return unsupported("its window is missing");
      }
      if (String(dilation) !== "1,1" || divisor !== null) {
        return unsupported("it is dilated or scaled");
      }
      const kind = type === "MaxPool2d" ? "maxPool" : "averagePool";
      const roundsUp = module.attribute("ceil_mode") === true;
      return { kind, window, stride, padding, roundsUp, layout: "NCHW" };
    }
    case "AdaptiveAvgPool2d": {
      const size = pair("output_size");
      if (size === undefined) return unsupported("its size is that of its input");
      return size[0] === 1 && size[1] === 1
        ? { kind: "globalAverage" }
        : { kind: "adaptiveAverage", size };
    }
    case "Flatten":
      return number("start_dim", 1) === 1 && number("end_dim", -1) === -1
        ? { kind: "flatten" }
        : unsupported("it leaves some axes");
    case "ZeroPad2d":
    case "ConstantPad2d": {
      const sides = module.attribute("padding");
      const [left, right, top, bottom] = Array.isArray(sides) ? sides as number[] : [];
      if (bottom === undefined || number("value", 0) !== 0) {
        return unsupported("it pads with a number");
      }
      return { kind: "pad", padding: [top, left, bottom, right], layout: "NCHW" };
    }
    case "Softmax":
    case "LogSoftmax": // Whose exponents are the same scores.
      return { kind: "softmax" };
    case "Sigmoid":
      return { kind: "sigmoid" };
    default:
      return /^((Alpha|FeatureAlpha)?Dropout\dd?|Dropout|AlphaDropout|Identity)$/.test(type)
        ? { kind: "identity" }
        : unsupported();
  }
}

/** Stands for a weight where only the layer is looked at. */
const NOTHING: CheckpointTensor = {
  name: "",
  shape: [],
  layout: { outputs: "first", inputs: "CHW" },
  read: () => {},
};

/** One number for both axes, or two. */
function pairOf(value: PickledValue | undefined): Pair | undefined {
  const [vertical, horizontal] = Array.isArray(value) ? value : [value, value];
  return typeof vertical === "number" && typeof horizontal === "number"
    ? [vertical, horizontal]
    : undefined;
}

/** Of a convolution, whose stride is 1 where it says `"same"`, or of a pool. */
function paddingOf(module: PickledObject): Padding | undefined {
  const value = module.attribute("padding") ?? 0;
  if (value === "same" || value === "valid") return value;
  const pair = pairOf(value);
  return pair && [pair[0], pair[1], pair[0], pair[1]];
}
