/** TensorFlow Lite's operators in the words of TensorFlow, which `tensorflow/` understands. */

import { sizeOf } from "../checkpoint.ts";
import type { TfAttribute, TfGraph, TfNode } from "../tensorflow/graph_def.ts";
import { memoryTensor } from "../tensorflow/tensor_proto.ts";
import type { FlatTable } from "./flatbuffer.ts";
import type { TfliteModel, TfliteOperator } from "./model.ts";

/** One node that an operator becomes: what it is called in TensorFlow, what it takes, and how. */
interface Step {
  readonly op: string;
  /** The value before it, if it is left out. */
  readonly inputs?: readonly string[];
  readonly attributes?: Readonly<Record<string, Partial<TfAttribute>>>;
}

/** What an operator needs to become nodes. */
interface Context {
  readonly operator: TfliteOperator;
  readonly options: FlatTable | undefined;
  /** The names of its inputs. */
  readonly inputs: readonly string[];
  /** The shape of an input, as declared. */
  shapeOf(input: number): readonly number[];
  /** Adds a constant of integers. */
  integers(...values: number[]): string;
}

type Rewrite = (context: Context) => Promise<Step[]> | Step[];

const DT_FLOAT = 1, DT_INT32 = 3;

/** Operators of the schema by their numbers, and what they are in TensorFlow; others keep their own name. */
const OPERATORS: ReadonlyMap<number, readonly [name: string, rewrite?: Rewrite]> = new Map([
  [0, ["ADD", arithmetic("AddV2")]],
  [1, ["AVERAGE_POOL_2D", pool("AvgPool")]],
  [2, ["CONCATENATION", concatenation]],
  [3, ["CONV_2D", conv]],
  [4, ["DEPTHWISE_CONV_2D"]],
  [6, ["DEQUANTIZE", plain("Identity")]],
  [9, ["FULLY_CONNECTED", fullyConnected]],
  [11, ["L2_NORMALIZATION"]],
  [13, ["LOCAL_RESPONSE_NORMALIZATION"]],
  [14, ["LOGISTIC", plain("Sigmoid")]],
  [17, ["MAX_POOL_2D", pool("MaxPool")]],
  [18, ["MUL", arithmetic("Mul")]],
  [19, ["RELU", plain("Relu")]],
  [20, ["RELU_N1_TO_1"]],
  [21, ["RELU6"]],
  [22, ["RESHAPE", reshape]],
  [23, ["RESIZE_BILINEAR", plain("ResizeBilinear")]],
  [25, ["SOFTMAX", softmax]],
  [28, ["TANH"]],
  [34, ["PAD", plain("Pad")]],
  [36, ["GATHER", gather]],
  [39, ["TRANSPOSE", plain("Transpose")]],
  [40, ["MEAN", async ({ options }) => [keeping("Mean", await options?.uint8(0))]]],
  [41, ["SUB", arithmetic("Sub")]],
  [42, ["DIV", arithmetic("RealDiv")]],
  [43, ["SQUEEZE", squeeze]],
  [45, ["STRIDED_SLICE", stridedSlice]],
  [48, ["TOPK_V2", plain("TopKV2")]],
  [49, ["SPLIT", counted("Split", "num_split")]],
  [50, ["LOG_SOFTMAX", plain("LogSoftmax")]],
  [53, ["CAST", cast]],
  [54, ["PRELU"]],
  [55, ["MAXIMUM", plain("Maximum")]],
  [56, ["ARG_MAX", plain("ArgMax")]],
  [57, ["MINIMUM", plain("Minimum")]],
  [59, ["NEG", plain("Neg")]],
  [60, ["PADV2", plain("PadV2")]],
  [70, ["EXPAND_DIMS", plain("ExpandDims")]],
  [74, ["SUM"]],
  [75, ["SQRT", plain("Sqrt")]],
  [76, ["RSQRT", plain("Rsqrt")]],
  [77, ["SHAPE", plain("Shape")]],
  [81, ["REDUCE_PROD", plain("Prod")]],
  [82, ["REDUCE_MAX"]],
  [83, ["PACK", axial("Pack", 1)]],
  [88, ["UNPACK", unpack]],
  [92, ["SQUARE", plain("Square")]],
  [97, ["RESIZE_NEAREST_NEIGHBOR", plain("ResizeNearestNeighbor")]],
  [98, ["LEAKY_RELU"]],
  [102, ["SPLIT_V", plain("SplitV")]],
  [105, ["REVERSE_V2", plain("ReverseV2")]],
  [111, ["ELU"]],
  [114, ["QUANTIZE", plain("Identity")]],
  [117, ["HARD_SWISH"]],
  [118, ["IF"]],
  [142, ["VAR_HANDLE"]],
  [143, ["READ_VARIABLE"]],
  [150, ["GELU"]],
]);

const CUSTOM = 32;

/** `ActivationFunctionType`. */
const ACTIVATIONS = ["", "Relu", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"];

/** Rewrites a model's graph; nodes are called as the tensors that they give. */
export async function graphOf(
  { tensors, operators, inputs }: TfliteModel,
): Promise<TfGraph> {
  const nodes = new Map<string, TfNode>();
  const add = (
    key: string,
    name: string,
    { op, inputs = [], attributes = {} }: Step,
  ): string => {
    const complete = Object.entries(attributes).map(([name, attribute]) =>
      [name, { ints: [], texts: [], ...attribute }] as const
    );
    nodes.set(key, { name, op, inputs, attributes: new Map(complete) });
    return key;
  };
  const integers = (...values: number[]): string => {
    const about = { name: "a constant", shape: [values.length], layout: NO_WEIGHT };
    const tensor = memoryTensor(about, Float32Array.from(values));
    return add(`n${nodes.size}`, "a constant", {
      op: "Const",
      attributes: { value: { tensor }, dtype: { int: DT_INT32 } },
    });
  };
  for (const [index, tensor] of tensors.entries()) {
    const { name, shape, constant, isInteger, quantization } = tensor;
    if (constant !== undefined) {
      const dtype = { int: isInteger && quantization === undefined ? DT_INT32 : DT_FLOAT };
      add(`t${index}`, name, { op: "Const", attributes: { value: { tensor: constant }, dtype } });
    } else if (inputs.includes(index)) {
      const sizes = shape.map((size) => size < 0 ? undefined : size);
      const attributes = { shape: { shape: sizes }, dtype: { int: DT_FLOAT } };
      add(`t${index}`, name, { op: "Placeholder", attributes });
    }
  }
  for (const operator of operators) {
    const [own, rewrite] = OPERATORS.get(operator.code) ?? [`operator ${operator.code}`];
    const names = operator.inputs.flatMap((index) => index < 0 ? [] : [`t${index}`]);
    const shapeOf = (input: number) => tensors[operator.inputs[input] ?? -1]?.shape ?? [];
    const context = { operator, options: operator.options, inputs: names, shapeOf, integers };
    const steps = await rewrite?.(context) ??
      [{ op: operator.code === CUSTOM ? operator.custom : own }];
    const [first = -1, ...more] = operator.outputs;
    const gives = tensors[first];
    if (gives === undefined) continue;
    let before = "";
    for (const [index, step] of steps.entries()) {
      const isLast = index === steps.length - 1;
      const inputs = step.inputs?.map((input) => input === BEFORE ? before : input) ??
        (index === 0 ? names : [before]);
      before = add(
        isLast ? `t${first}` : `t${first}.${index}`,
        gives.name.split(";")[0] || own,
        { ...step, inputs },
      );
    }
    for (const [index, output] of more.entries()) {
      const name = tensors[output]?.name ?? "";
      add(`t${output}`, name, { op: "Identity", inputs: [`t${first}:${index + 1}`] });
    }
  }
  return { nodes, functions: new Map() };
}

const NO_WEIGHT = { outputs: "first", inputs: "HWC" } as const;

/** Stands for the value of the step before. */
const BEFORE = "";

function plain(op: string): Rewrite {
  return () => [{ op }];
}

/** The activation that is drawn into an operator. */
function activated(steps: Step[], activation: number | undefined): Step[] {
  const op = ACTIVATIONS[activation ?? 0] ?? `activation ${activation}`;
  return op === "" ? steps : [...steps, { op }];
}

function arithmetic(op: string): Rewrite {
  return async ({ options }) => activated([{ op }], await options?.uint8(0));
}

function keeping(op: string, isKept: number | undefined): Step {
  return { op, attributes: { keep_dims: { int: isKept ?? 0 } } };
}

/** `Padding`: 0 is the same size, 1 is none. */
function padding(value: number | undefined): Partial<TfAttribute> {
  return { text: value === 1 ? "VALID" : "SAME" };
}

/** The axis is an attribute here as there. */
function axial(op: string, field: number): Rewrite {
  return async (
    { options },
  ) => [{ op, attributes: { axis: { int: await options?.int32(field) } } }];
}

function counted(op: string, attribute: string): Rewrite {
  return async (
    { options },
  ) => [{ op, attributes: { [attribute]: { int: await options?.int32(0) } } }];
}

async function unpack({ options }: Context): Promise<Step[]> {
  const [count, axis] = [await options?.int32(0), await options?.int32(1)];
  return [{ op: "Unpack", attributes: { num: { int: count }, axis: { int: axis } } }];
}

async function conv({ options, inputs }: Context): Promise<Step[]> {
  const [x, weight, bias] = inputs;
  if (x === undefined || weight === undefined) return [{ op: "CONV_2D" }];
  const strides = [1, await options?.int32(2) ?? 1, await options?.int32(1) ?? 1, 1];
  const dilations = [1, await options?.int32(5, 1) ?? 1, await options?.int32(4, 1) ?? 1, 1];
  const attributes = {
    strides: { ints: strides },
    dilations: { ints: dilations },
    padding: padding(await options?.uint8(0)),
  };
  const steps: Step[] = [{ op: "Conv2D", inputs: [x, weight], attributes }];
  if (bias !== undefined) steps.push({ op: "BiasAdd", inputs: [BEFORE, bias] });
  return activated(steps, await options?.uint8(3));
}

function pool(op: string): Rewrite {
  return async ({ options }) => {
    const ksize = [1, await options?.int32(4) ?? 1, await options?.int32(3) ?? 1, 1];
    const strides = [1, await options?.int32(2) ?? 1, await options?.int32(1) ?? 1, 1];
    const attributes = {
      ksize: { ints: ksize },
      strides: { ints: strides },
      padding: padding(await options?.uint8(0)),
    };
    return activated([{ op, attributes }], await options?.uint8(5));
  };
}

async function fullyConnected({ options, inputs, shapeOf, integers }: Context): Promise<Step[]> {
  const [x, weight, bias] = inputs;
  const isShuffled = (await options?.uint8(1) ?? 0) !== 0;
  const keepsAxes = (await options?.uint8(2) ?? 0) !== 0 && shapeOf(0).length !== 2;
  const isWhole = x !== undefined && weight !== undefined;
  if (isShuffled || keepsAxes || !isWhole) return [{ op: "FULLY_CONNECTED" }];
  // A map is flattened on the way.
  const steps: Step[] = [
    { op: "Reshape", inputs: [x, integers(-1, shapeOf(1)[1] ?? sizeOf(shapeOf(1)))] },
    { op: "MatMul", inputs: [BEFORE, weight], attributes: { transpose_b: { int: 1 } } },
  ];
  if (bias !== undefined) steps.push({ op: "BiasAdd", inputs: [BEFORE, bias] });
  return activated(steps, await options?.uint8(0));
}

/** The shape is an input, or else an option. */
async function reshape({ options, inputs, integers }: Context): Promise<Step[]> {
  const [x, shape] = inputs;
  if (x === undefined) return [{ op: "RESHAPE" }];
  return [{ op: "Reshape", inputs: [x, shape ?? integers(...await options?.ints(0) ?? [])] }];
}

/** `beta` multiplies the logits. */
async function softmax({ options, inputs, integers }: Context): Promise<Step[]> {
  const beta = await options?.float32(0) ?? 1;
  const score: Step = { op: "Softmax" };
  return beta === 1 ? [score] : [{ op: "Mul", inputs: [...inputs, integers(beta)] }, score];
}

async function squeeze({ options }: Context): Promise<Step[]> {
  return [{ op: "Squeeze", attributes: { squeeze_dims: { ints: await options?.ints(0) ?? [] } } }];
}

async function concatenation({ options, inputs, integers }: Context): Promise<Step[]> {
  const axis = integers(await options?.int32(0) ?? 0);
  return activated([{ op: "ConcatV2", inputs: [...inputs, axis] }], await options?.uint8(1));
}

async function gather({ options, inputs, integers }: Context): Promise<Step[]> {
  return [{ op: "GatherV2", inputs: [...inputs, integers(await options?.int32(0) ?? 0)] }];
}

async function stridedSlice({ options }: Context): Promise<Step[]> {
  const masks = ["begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"];
  const attributes: Record<string, Partial<TfAttribute>> = {};
  for (const [field, mask] of masks.entries()) {
    attributes[mask] = { int: await options?.int32(field) };
  }
  return [{ op: "StridedSlice", attributes }];
}

/** To floats of any size, or to integers. */
async function cast({ options }: Context): Promise<Step[]> {
  const isFloat = FLOATS.has(await options?.uint8(1) ?? 0);
  return [{ op: "Cast", attributes: { DstT: { int: isFloat ? DT_FLOAT : DT_INT32 } } }];
}

/** `TensorType`: `FLOAT32`, `FLOAT16`, `FLOAT64`, `BFLOAT16`. */
const FLOATS: ReadonlySet<number> = new Set([0, 1, 10, 18]);
