/**
 * PyTorch's operators, by their names in `torch.ops.aten`, as exported programs and TorchScript call them.
 *
 * @see {@link https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml}
 */

import { type CheckpointTensor, sizeOf } from "../checkpoint.ts";
import type { GraphNode, Layout, Operator, Padding, Pair } from "../graph.ts";
import { mappedConstant } from "../tensors.ts";

/** A value by its name, or what stands in the program itself. */
export type Argument =
  | { readonly value: string }
  | number
  | boolean
  | string
  | null
  | readonly number[];

/** One call of a program. */
export interface AtenCall {
  /** Without its overload: `conv2d`, or `relu_` for one that writes to its input. */
  readonly operator: string;
  /** By the names of the operator's parameters; those that have their defaults may be missing. */
  readonly given: ReadonlyMap<string, Argument>;
  /** The values that it gives; the first one counts. */
  readonly outputs: readonly string[];
}

/** The order of the parameters, where a program has no names for them. */
const PARAMETERS: ReadonlyMap<string, readonly string[]> = new Map(Object.entries({
  conv2d: ["input", "weight", "bias", "stride", "padding", "dilation", "groups"],
  convolution: [
    ...["input", "weight", "bias", "stride", "padding", "dilation", "transposed"],
    ...["output_padding", "groups"],
  ],
  linear: ["input", "weight", "bias"],
  addmm: ["self", "mat1", "mat2", "beta", "alpha"],
  mm: ["self", "mat2"],
  matmul: ["self", "other"],
  batch_norm: [
    ...["input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps"],
    "cudnn_enabled",
  ],
  max_pool2d: ["self", "kernel_size", "stride", "padding", "dilation", "ceil_mode"],
  avg_pool2d: [
    ...["self", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"],
    "divisor_override",
  ],
  adaptive_avg_pool2d: ["self", "output_size"],
  mean: ["self", "dim", "keepdim"],
  flatten: ["self", "start_dim", "end_dim"],
  view: ["self", "size"],
  unsqueeze: ["self", "dim"],
  permute: ["self", "dims"],
  transpose: ["self", "dim0", "dim1"],
  t: ["self"],
  constant_pad_nd: ["self", "pad", "value"],
  pad: ["self", "pad", "mode", "value"],
  flip: ["self", "dims"],
  add: ["self", "other", "alpha"],
  sub: ["self", "other", "alpha"],
  mul: ["self", "other"],
  div: ["self", "other", "rounding_mode"],
  softmax: ["self", "dim"],
  clamp: ["self", "min", "max"],
}));

/** Other names of the same operators. */
const SAME: ReadonlyMap<string, string> = new Map(Object.entries({
  _convolution: "convolution",
  _convolution_mode: "conv2d",
  max_pool2d_with_indices: "max_pool2d",
  _adaptive_avg_pool2d: "adaptive_avg_pool2d",
  _native_batch_norm_legit_no_training: "batch_norm",
  _native_batch_norm_legit: "batch_norm",
  native_batch_norm: "batch_norm",
  cudnn_batch_norm: "batch_norm",
  reshape: "view",
  _unsafe_view: "view",
  clamp_min: "clamp",
  log_softmax: "softmax",
  _softmax: "softmax",
  _log_softmax: "softmax",
  numpy_T: "t",
}));

const IDENTITY =
  /^(dropout|native_dropout|feature_dropout|alpha_dropout|clone|detach|contiguous|alias|to|_to_copy|lift_fresh_copy|squeeze|type_as)$/;

/** Operators whose result may share its numbers with what they take. */
const VIEW =
  /^(as_strided|chunk|diagonal|expand|expand_as|flatten|narrow|permute|select|slice|split|split_with_sizes|t|transpose|unbind|unflatten|unsqueeze|view|view_as)$/;

/** The one name of an operator that has several, and without the mark of one that writes to its input. */
function operatorName(name: string): string {
  const plain = name.replace(/(?<=\w)_$/, "");
  return SAME.get(plain) ?? plain;
}

/** The names of an operator's parameters in their order, as far as they matter. */
export function parametersOf(name: string): readonly string[] {
  return PARAMETERS.get(operatorName(name)) ?? [];
}

/** Translates calls one after the other, and knows what of their values are constants. */
export class AtenTranslator {
  readonly nodes: GraphNode[] = [];
  readonly #constants: Map<string, CheckpointTensor>;
  /** Constants whose two axes were exchanged. */
  readonly #exchanged = new Map<string, CheckpointTensor>();
  /** What stands now in a value that was written to. */
  readonly #written = new Map<string, string>();
  /** Values that share their numbers. */
  readonly #sharing = new Map<string, Set<string>>();

  /** @param constants Parameters and buffers by the names that they have in the program. */
  constructor(constants: ReadonlyMap<string, CheckpointTensor>) {
    this.#constants = new Map(constants);
  }

  /** Adds a node for a call, but for one that has constants alone. */
  add({ operator: name, given, outputs }: AtenCall): void {
    const operator = operatorName(name);
    const [output = ""] = outputs;
    const values = [...given.values()].flatMap((argument) =>
      isValue(argument) ? [argument.value] : []
    );
    const inputs = values.filter((value) =>
      !this.#constants.has(value) && !this.#exchanged.has(value)
    ).map((value) => this.latest(value));
    if (inputs.length === 0 && this.#foldConstant(operator, given, output)) return;
    const translated = inputs.length > 1
      ? { kind: "unsupported", type: name } as const
      : this.#translate(operator, given, name);
    this.nodes.push({ name: output, inputs, output, operator: translated });
    const [from] = inputs;
    if (from === undefined || from === output) return;
    if (/\w_$/.test(name)) this.#write(from, output);
    else if (VIEW.test(operator) || IDENTITY.test(operator)) {
      const sharing = (this.#sharing.get(from) ?? new Set([from])).add(output);
      for (const value of [from, output]) this.#sharing.set(value, sharing);
    }
  }

  /** What stands in a value by now: an operator that writes to its input changes it for all that follow. */
  latest(value: string): string {
    for (let next = this.#written.get(value); next !== undefined;) {
      const after = this.#written.get(next);
      this.#written.set(value, after ?? next);
      value = next;
      next = after;
    }
    return value;
  }

  #write(from: string, output: string): void {
    const sharing = this.#sharing.get(from) ?? new Set();
    this.#sharing.delete(from);
    sharing.delete(from);
    this.#written.set(from, output);
    if (sharing.size === 0) return;
    // The others are written to as well, in some of their places.
    const name = `${output}, seen otherwise`;
    const because = "a view of it is written to";
    const operator = { kind: "unsupported", type: "view", because } as const;
    this.nodes.push({ name, inputs: [output], output: name, operator });
    for (const value of sharing) {
      this.#sharing.delete(value);
      this.#written.set(value, name);
    }
  }

  /** Of a dense layer's weight the axes are exchanged; a bias gets axes to be broadcast over a map. */
  #foldConstant(operator: string, given: AtenCall["given"], output: string): boolean {
    const self = given.get("self") ?? given.get("input");
    const constant = isValue(self) ? this.#constants.get(self.value) : undefined;
    if (constant === undefined) return false;
    const shape = shapeOf(operator, given, constant.shape);
    if (shape !== undefined) this.#constants.set(output, { ...constant, shape });
    else if (IDENTITY.test(operator)) this.#constants.set(output, constant);
    else if (!isExchange(operator, given) || constant.shape.length !== 2) return false;
    else this.#exchanged.set(output, constant);
    return true;
  }

  #constant(argument: Argument | undefined): CheckpointTensor | undefined {
    return isValue(argument) ? this.#constants.get(argument.value) : undefined;
  }

  #translate(operator: string, given: AtenCall["given"], name: string): Operator {
    const unsupported = (because?: string): Operator => ({
      kind: "unsupported",
      type: name,
      because,
    });
    const number = (key: string, otherwise: number): number => {
      const value = given.get(key);
      return typeof value === "number" ? value : otherwise;
    };
    const layout = "NCHW";
    switch (operator) {
      case "conv2d":
      case "convolution": {
        const weight = this.#constant(given.get("weight"));
        const stride = pairOf(given.get("stride") ?? 1),
          dilation = pairOf(given.get("dilation") ?? 1);
        const padding = paddingOf(given.get("padding"));
        if (weight?.shape.length !== 4 || !stride || !dilation || !padding) {
          return unsupported("its weight or geometry is computed");
        }
        if (given.get("transposed") === true) return unsupported("it is transposed");
        const bias = this.#constant(given.get("bias")), groups = number("groups", 1);
        return { kind: "conv", weight, bias, stride, padding, dilation, groups, layout };
      }
      case "linear":
      case "addmm":
      case "mm":
      case "matmul":
        return this.#dense(operator, given) ?? unsupported("its weight is computed or scaled");
      case "batch_norm": {
        const [mean, variance] = ["running_mean", "running_var"].map((key) =>
          this.#constant(given.get(key))
        );
        if (!mean || !variance || given.get("training") === true) {
          return unsupported("it has no statistics");
        }
        const gamma = this.#constant(given.get("weight")), beta = this.#constant(given.get("bias"));
        return { kind: "batchNorm", gamma, beta, mean, variance, epsilon: number("eps", 1e-5) };
      }
      case "relu":
        return { kind: "relu" };
      case "clamp":
        return given.get("min") === 0 && (given.get("max") ?? null) === null
          ? { kind: "relu" }
          : unsupported();
      case "max_pool2d":
      case "avg_pool2d": {
        const window = pairOf(given.get("kernel_size"));
        const stride = pairOf(given.get("stride")) ?? window,
          padding = paddingOf(given.get("padding"));
        const dilation = pairOf(given.get("dilation") ?? 1);
        const divisor = given.get("divisor_override") ?? null;
        if (!window || !stride || !padding || String(dilation) !== "1,1" || divisor !== null) {
          return unsupported("it is dilated or scaled");
        }
        const roundsUp = given.get("ceil_mode") === true;
        const kind = operator === "max_pool2d" ? "maxPool" : "averagePool";
        return { kind, window, stride, padding, roundsUp, layout };
      }
      case "adaptive_avg_pool2d": {
        const size = pairOf(given.get("output_size"));
        if (size === undefined) return unsupported("its size is computed");
        return size.every((n) => n === 1)
          ? { kind: "globalAverage" }
          : { kind: "adaptiveAverage", size };
      }
      case "mean":
        return /^(-1,-2|-2,-1|2,3|3,2)$/.test(String(given.get("dim")))
          ? { kind: "globalAverage" }
          : unsupported(`over the axes ${given.get("dim")}`);
      case "flatten":
        return number("start_dim", 0) === 1 && [-1, 3].includes(number("end_dim", -1))
          ? { kind: "flatten" }
          : unsupported("it leaves some axes");
      case "view": {
        const size = sizeArgument(given);
        return size !== undefined && size.length === 2
          ? { kind: "flatten" }
          : unsupported(`to [${size}]`);
      }
      case "permute": {
        const order = given.get("dims");
        return Array.isArray(order) ? { kind: "transpose", order } : unsupported();
      }
      case "constant_pad_nd":
      case "pad": {
        const sides = given.get("pad") ?? given.get("padding");
        const [left, right, top = 0, bottom = 0, ...others] = numbersOf(sides);
        const isZero = number("value", 0) === 0 && (given.get("mode") ?? "constant") === "constant";
        if (right === undefined || !isZero) return unsupported("it does not pad with zeros");
        if (others.some((size) => size !== 0)) return unsupported("it pads images or channels");
        return { kind: "pad", padding: [top, left!, bottom, right], layout };
      }
      case "flip":
        return /^(1|-3)$/.test(String(given.get("dims")))
          ? { kind: "reverseColors" }
          : unsupported();
      case "add":
      case "sub":
      case "mul":
      case "div":
        return this.#affine(operator, given) ?? unsupported();
      case "neg":
        return { kind: "affine", scale: -1 };
      case "softmax": {
        // Without an axis it is that of the classes.
        const axis = given.get("dim") ?? 1;
        return axis === 1 || axis === -1
          ? { kind: "softmax" }
          : unsupported(`over the axis ${axis}, not over the classes`);
      }
      case "sigmoid":
        return { kind: "sigmoid" };
      default:
        return IDENTITY.test(operator) ? { kind: "identity" } : unsupported();
    }
  }

  #dense(operator: string, given: AtenCall["given"]): Operator | undefined {
    if (number(given, "alpha") !== 1 || number(given, "beta") !== 1) return undefined;
    const factor = given.get(
      operator === "linear" ? "weight" : operator === "matmul" ? "other" : "mat2",
    );
    const bias = this.#constant(given.get(operator === "addmm" ? "self" : "bias"));
    if (operator === "addmm" && bias === undefined) return undefined;
    const own = this.#constant(factor);
    if (operator === "linear") return own && { kind: "dense", weight: own, bias };
    const exchanged = isValue(factor) ? this.#exchanged.get(factor.value) : undefined;
    const weight = exchanged ??
      (own && { ...own, layout: { outputs: "last", inputs: "CHW" } as const });
    return weight?.shape.length === 2 ? { kind: "dense", weight, bias } : undefined;
  }

  #affine(operator: string, given: AtenCall["given"]): Operator | undefined {
    const self = given.get("self"), other = given.get("other");
    const isReversed = this.#constant(self) !== undefined || typeof self === "number";
    const operand = isReversed ? self : other;
    const constant = typeof operand === "number" ? operand : this.#constant(operand);
    if (constant === undefined || number(given, "alpha") !== 1) return undefined;
    if ((given.get("rounding_mode") ?? null) !== null) return undefined;
    if (operator === "add") return { kind: "affine", shift: constant };
    if (operator === "mul") return { kind: "affine", scale: constant };
    if (operator === "sub") {
      return isReversed
        ? { kind: "affine", scale: -1, shift: constant }
        : { kind: "affine", shift: mappedConstant(constant, (value) => -value) };
    }
    return isReversed
      ? undefined
      : { kind: "affine", scale: mappedConstant(constant, (value) => 1 / value) };
  }
}

/** Images lie with their colors last where the first thing that is done is to bring these to the front. */
export function layoutOfImages(input: string, nodes: readonly GraphNode[]): Layout {
  let value = input;
  for (const { inputs, output, operator } of nodes) {
    if (inputs[0] !== value || inputs.length > 1) continue;
    if (operator.kind === "transpose") {
      return String(operator.order) === "0,3,1,2" ? "NHWC" : "NCHW";
    }
    if (operator.kind !== "identity" && operator.kind !== "affine") return "NCHW";
    value = output;
  }
  return "NCHW";
}

function number(given: AtenCall["given"], key: string): number {
  const value = given.get(key) ?? 1;
  return typeof value === "number" ? value : NaN;
}

function isValue(argument: Argument | undefined): argument is { readonly value: string } {
  return typeof argument === "object" && argument !== null && "value" in argument;
}

/** `reshape` calls it `shape`, `view` `size`. */
function sizeArgument(given: AtenCall["given"]): readonly number[] | undefined {
  const size = given.get("size") ?? given.get("shape");
  return Array.isArray(size) ? size as readonly number[] : undefined;
}

/** What a constant is viewed as: one axis may be what is left (-1). */
function shapeOf(
  operator: string,
  given: AtenCall["given"],
  shape: readonly number[],
): readonly number[] | undefined {
  if (operator === "unsqueeze") {
    const axis = number(given, "dim");
    return shape.toSpliced(axis < 0 ? axis + shape.length + 1 : axis, 0, 1);
  }
  const size = operator === "view" ? sizeArgument(given) : undefined;
  const known = sizeOf((size ?? []).filter((length) => length !== -1));
  const viewed = size?.map((length) => length === -1 ? sizeOf(shape) / known : length);
  return viewed !== undefined && sizeOf(viewed) === sizeOf(shape) ? viewed : undefined;
}

function isExchange(operator: string, given: AtenCall["given"]): boolean {
  return operator === "t" || (operator === "permute" && String(given.get("dims")) === "1,0") ||
    (operator === "transpose" &&
      /^(0,1|1,0|-1,-2|-2,-1)$/.test(`${given.get("dim0")},${given.get("dim1")}`));
}

function numbersOf(argument: Argument | undefined): readonly number[] {
  return Array.isArray(argument)
    ? argument as number[]
    : typeof argument === "number"
    ? [argument]
    : [];
}

/** One number for both axes, or two. */
function pairOf(argument: Argument | undefined): Pair | undefined {
  const [vertical, horizontal = vertical] = numbersOf(argument);
  return vertical === undefined || horizontal === undefined ? undefined : [vertical, horizontal];
}

function paddingOf(argument: Argument | undefined): Padding | undefined {
  if (argument === "same" || argument === "valid") return argument;
  const pair = pairOf(argument ?? 0) ?? (Array.isArray(argument) ? [0, 0] : undefined);
  return pair && [pair[0]!, pair[1]!, pair[0]!, pair[1]!];
}
