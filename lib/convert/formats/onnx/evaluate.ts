/** What an ONNX graph computes from its constants alone: weights behind other operators, and shapes. */

import { readAll, sizeOf } from "../checkpoint.ts";
import { mappedTensor } from "../tensors.ts";
import { combinedTensor, quantizedTensor } from "./computed_tensors.ts";
import { constantOf, INTEGER_RANGES, type OnnxConstant, type OnnxConstants } from "./constants.ts";
import { NotUnderstood } from "./not_understood.ts";
import {
  fromFront,
  MAX_NUMBERS,
  NUMBER_OPERATORS,
  type Numbers,
  type NumbersCall,
  unsqueezed,
  vector,
} from "./numbers.ts";
import { inputsOf, integerOf, type OnnxNode } from "./parse.ts";
import { isFloat, type OnnxType, onnxType } from "./tensor.ts";

/** Numbers that a file may have computed in all, and computations that may stand behind each other. */
const MAX_COMPUTED = 1 << 22;
const MAX_DEPTH = 64;

/** Computes nodes whose inputs are all constants. */
export class ConstantEvaluator {
  readonly #depths = new Map<string, number>();
  #computed = 0;

  constructor(readonly constants: OnnxConstants) {}

  /**
   * Defines what a node gives; nothing if it is not known how, so that whoever needs the value finds it
   * missing.
   */
  async evaluate(node: OnnxNode): Promise<void> {
    const { constants } = this;
    const { op, inputs: [first], outputs: [output] } = node;
    const behind = inputsOf(node).map((name) => this.#depths.get(name) ?? 0);
    const depth = behind.reduce((deepest, each) => Math.max(deepest, each), 0) + 1;
    if (depth > MAX_DEPTH || this.#computed + constants.numbersRead > MAX_COMPUTED) return;
    this.#depths.set(output, depth);
    const x = constants.get(first);
    const isShape = x?.numbers !== undefined || x?.type === "I64" || x?.type === "I32";
    const ofNumbers = NUMBER_OPERATORS.get(op);
    const view = isShape && ofNumbers !== undefined ? undefined : VIEWS.get(op);
    if (view !== undefined) {
      const result = await view(node, x, constants);
      if (result !== undefined) constants.define(output, result);
      return;
    }
    if (ofNumbers === undefined || inputsOf(node).some((name) => !constants.get(name))) return;
    const numbers = ofNumbers(await numbersCall(node, constants));
    if (numbers === undefined || numbers.values.length > MAX_NUMBERS) return;
    this.#computed += numbers.values.length;
    const type = op === "Cast" ? onnxType(integerOf(node, "to", 1)) : x?.type;
    constants.define(output, { shape: numbers.shape, type: type ?? "I64", numbers });
  }
}

type View = (
  node: OnnxNode,
  x: OnnxConstant | undefined,
  constants: OnnxConstants,
) => Promise<OnnxConstant | undefined> | OnnxConstant | undefined;

/** What makes tensors of tensors without reading them. */
const VIEWS: ReadonlyMap<string, View> = new Map(Object.entries<View>({
  Constant: ({ attributes, outputs: [name] }) => {
    const tensor = attributes.get("value")?.tensor;
    if (tensor !== undefined) return constantOf({ ...tensor, name: tensor.name || name });
    for (const [key, { float, int, floats, ints }] of attributes) {
      if (key === "value_float") {
        return numbersConstant({ shape: [], values: [float ?? 0] }, "F32");
      }
      if (key === "value_int") return numbersConstant({ shape: [], values: [int ?? 0] }, "I64");
      if (key === "value_floats") return numbersConstant(vector(floats), "F32");
      if (key === "value_ints") return numbersConstant(vector(ints), "I64");
    }
    return undefined;
  },
  ConstantOfShape: async ({ attributes, inputs }, _, constants) => {
    const shape = await constants.integers(inputs[0]);
    if (shape === undefined || !(sizeOf(shape) <= MAX_NUMBERS)) return undefined;
    const tensor = attributes.get("value")?.tensor;
    const [value = 0] = tensor === undefined ? [] : await readAll(tensor);
    const values = new Array(sizeOf(shape)).fill(value);
    return numbersConstant({ shape, values }, tensor?.type ?? "F32");
  },
  Shape: (node, x) => {
    if (x === undefined) return undefined;
    const end = integerOf(node, "end", x.shape.length);
    return numbersConstant(vector(x.shape.slice(integerOf(node, "start", 0), end)), "I64");
  },
  Identity: (_, x) => x,
  Cast: (node, x) => cast(x, onnxType(integerOf(node, "to", 0))),
  CastLike: ({ inputs }, x, constants) => cast(x, constants.get(inputs[1])?.type ?? "F32"),
  Transpose: ({ attributes }, x) => {
    if (x === undefined) return undefined;
    const turned = attributes.get("perm")?.ints ?? x.shape.map((_, axis) => axis).reverse();
    const order = turned.map((axis) => x.order?.[axis] ?? axis);
    return { ...x, shape: turned.map((axis) => x.shape[axis] ?? NaN), order };
  },
  Reshape: async ({ inputs, attributes }, x, constants) => {
    const shape = attributes.get("shape")?.ints ?? await constants.integers(inputs[1]);
    if (x === undefined || shape === undefined) return undefined;
    const sizes = shape.map((size, axis) => size === 0 ? x.shape[axis] ?? 0 : size);
    const known = sizeOf(sizes.filter((size) => size > 0));
    return reshaped(constants, x, sizes.map((size) => size < 0 ? sizeOf(x.shape) / known : size));
  },
  Flatten: (node, x, constants) => {
    if (x === undefined) return undefined;
    const axis = fromFront(integerOf(node, "axis", 1), x.shape.length);
    return reshaped(constants, x, [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]);
  },
  Squeeze: async (node, x, constants) => {
    const axes = node.attributes.get("axes")?.ints ?? await constants.integers(node.inputs[1]);
    const dropped = axes?.map((axis) => fromFront(axis, x?.shape.length ?? 0));
    const isDropped = (size: number, axis: number) => dropped?.includes(axis) ?? size === 1;
    return x && reshaped(constants, x, x.shape.filter((size, axis) => !isDropped(size, axis)));
  },
  Unsqueeze: async (node, x, constants) => {
    const axes = node.attributes.get("axes")?.ints ?? await constants.integers(node.inputs[1]);
    return x && axes && reshaped(constants, x, unsqueezed(x.shape, axes, () => 1));
  },
  DequantizeLinear: async (node, x, constants) => {
    if (x === undefined) return undefined;
    if (integerOf(node, "block_size", 0) !== 0) {
      throw new NotUnderstood("its numbers have a scale for each block");
    }
    const scales = await constants.scales(node.inputs[1], node.inputs[2]);
    return constants.dequantized(x, scales, integerOf(node, "axis", 1));
  },
  QuantizeLinear: async (node, x, constants) => {
    const tensor = x && constants.plain(x, node.inputs[0]!);
    const scales = await constants.scales(node.inputs[1], node.inputs[2]);
    const range = INTEGER_RANGES[scales.type];
    if (x === undefined || tensor === undefined || range === undefined) return undefined;
    const axis = fromFront(integerOf(node, "axis", 1), x.shape.length);
    const { type } = scales;
    return { shape: x.shape, type, tensor: quantizedTensor(tensor, scales, axis, range) };
  },
  Add: (node, _, constants) => combined(constants, node, (a, b) => a + b),
  Sub: (node, _, constants) => combined(constants, node, (a, b) => a - b),
  Mul: (node, _, constants) => combined(constants, node, (a, b) => a * b),
  Div: (node, _, constants) => combined(constants, node, (a, b) => a / b),
  Pow: (node, _, constants) => combined(constants, node, (a, b) => a ** b),
  Neg: (node, _, constants) => mapped(constants, node, (x) => -x),
  Sqrt: (node, _, constants) => mapped(constants, node, Math.sqrt),
  Reciprocal: (node, _, constants) => mapped(constants, node, (x) => 1 / x),
}));

function mapped(
  constants: OnnxConstants,
  node: OnnxNode,
  compute: (x: number) => number,
): OnnxConstant | undefined {
  const x = constants.get(node.inputs[0]), tensor = constants.tensor(node.inputs[0]);
  return x && tensor && { shape: x.shape, type: x.type, tensor: mappedTensor(tensor, compute) };
}

/** Each element of the larger one with that of the other, which is spread over it. */
async function combined(
  constants: OnnxConstants,
  { inputs: [a, b] }: OnnxNode,
  compute: (a: number, b: number) => number,
): Promise<OnnxConstant | undefined> {
  const [x, y] = [constants.get(a), constants.get(b)];
  if (x === undefined || y === undefined) return undefined;
  const rank = x.shape.length - y.shape.length;
  const isFirst = rank > 0 || (rank === 0 && sizeOf(x.shape) >= sizeOf(y.shape));
  const tensor = constants.tensor(isFirst ? a : b),
    other = await constants.numbers(isFirst ? b : a);
  if (tensor === undefined || other === undefined) return undefined;
  const values = other.values.map((value) => typeof value === "number" ? value : NaN);
  const apply = isFirst ? compute : (large: number, small: number) => compute(small, large);
  const combined = combinedTensor(tensor, { shape: other.shape, values }, apply);
  return combined && { shape: tensor.shape, type: isFirst ? x.type : y.type, tensor: combined };
}

function reshaped(
  constants: OnnxConstants,
  x: OnnxConstant,
  shape: readonly number[],
): OnnxConstant | undefined {
  const tensor = constants.plain(x, "");
  if (tensor === undefined || sizeOf(shape) !== sizeOf(x.shape)) return undefined;
  return { shape, type: x.type, tensor: { ...tensor, shape } };
}

async function numbersCall(node: OnnxNode, constants: OnnxConstants): Promise<NumbersCall> {
  const found: (Numbers | undefined)[] = [];
  for (const name of node.inputs) found.push(await constants.numbers(name));
  return {
    inputs: found,
    integer: (attribute, fallback) => integerOf(node, attribute, fallback),
    integers(attribute, input) {
      const ints = node.attributes.get(attribute)?.ints;
      const values = ints ?? found[input]?.values;
      const known = values?.filter((value) => typeof value === "number");
      return known?.length === values?.length ? known : undefined;
    },
  };
}

function numbersConstant(numbers: Numbers, type: OnnxType): OnnxConstant {
  return { shape: numbers.shape, type, numbers };
}

/** Floats become no integers here, since their fractions would be lost. */
function cast(x: OnnxConstant | undefined, type: OnnxType | undefined): OnnxConstant | undefined {
  if (x === undefined || type === undefined || (isFloat(x.type) && !isFloat(type))) {
    return undefined;
  }
  return { ...x, type };
}
