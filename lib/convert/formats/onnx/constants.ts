/** The constants of an ONNX graph: initializers, `Constant` nodes, and what is computed from them. */

import { CheckpointFormatError } from "../../../errors.ts";
import { type CheckpointTensor, readAll, sizeOf } from "../checkpoint.ts";
import { dequantizedTensor, isRowMajor, rowMajorStrides, stridedTensor } from "../tensors.ts";
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
import type { OnnxNode } from "./parse.ts";
import { combinedTensor, mappedTensor, quantizedTensor } from "./computed_tensors.ts";
import { isFloat, memoryTensor, type OnnxTensor, type OnnxType, onnxType } from "./tensor.ts";

/** A constant: a tensor that is read when it is needed, or a few numbers, of which some may be open. */
export interface OnnxConstant {
  readonly shape: readonly number[];
  readonly type: OnnxType;
  readonly tensor?: CheckpointTensor | undefined;
  /** Which axis of `tensor` each axis is, if they are turned round. */
  readonly order?: readonly number[] | undefined;
  readonly numbers?: Numbers | undefined;
}

/** Scales and zero points: as many of one as of the other. */
export interface Scales {
  readonly scale: Float32Array;
  readonly zeroPoint: Float32Array;
  /** Of the integers. */
  readonly type: OnnxType;
}

/** The smallest and largest integers of the types that stand for floats. */
export const INTEGER_RANGES: Partial<Record<OnnxType, readonly [low: number, high: number]>> = {
  U8: [0, 255],
  I8: [-128, 127],
  U16: [0, 65535],
  I16: [-32768, 32767],
  U4: [0, 15],
  I4: [-8, 7],
};

/** Numbers that a file may have computed in all, and computations that may stand behind each other. */
const MAX_COMPUTED = 1 << 22;
const MAX_DEPTH = 64;

/** Looks constants up by the name of the value. */
export class OnnxConstants {
  readonly #constants = new Map<string, OnnxConstant>();
  readonly #depths = new Map<string, number>();
  #computed = 0;

  constructor(initializers: ReadonlyMap<string, OnnxTensor>, private readonly file: string) {
    for (const [name, tensor] of initializers) this.#constants.set(name, constantOf(tensor));
  }

  get(name: string | undefined): OnnxConstant | undefined {
    return this.#constants.get(name ?? "");
  }

  define(name: string, constant: OnnxConstant): void {
    this.#constants.set(name, constant);
  }

  /** Defines a value as small integers. */
  defineNumbers(name: string, numbers: Numbers): void {
    this.define(name, { shape: numbers.shape, type: "I64", numbers });
  }

  /** A constant in row-major order; `undefined` if the value is computed from images. */
  tensor(name: string | undefined): CheckpointTensor | undefined {
    const constant = this.get(name);
    return constant && this.plain(constant, name!);
  }

  /** The numbers of a small constant; `undefined` if it is large, or none. */
  async numbers(name: string | undefined): Promise<Numbers | undefined> {
    const constant = this.get(name);
    if (constant?.numbers !== undefined) return constant.numbers;
    const size = sizeOf(constant?.shape ?? []);
    if (constant === undefined || size > MAX_NUMBERS) return undefined;
    this.#computed += size;
    const tensor = this.plain(constant, name!);
    return tensor && { shape: constant.shape, values: Array.from(await readAll(tensor)) };
  }

  /** The numbers of a small constant as floats, which are all known. */
  async floats(name: string | undefined, what: string): Promise<Float32Array> {
    const values = (await this.numbers(name))?.values.filter((value) => typeof value === "number");
    if (values === undefined) throw new NotUnderstood(`${what} is no small constant`);
    return Float32Array.from(values);
  }

  /** Scales and zero points of integers, which by default are of 8 bits from 0 on. */
  async scales(scaleName: string | undefined, zeroName: string | undefined): Promise<Scales> {
    const scale = await this.floats(scaleName, "its scale");
    if (!zeroName) return { scale, zeroPoint: new Float32Array(scale.length), type: "U8" };
    const zeroPoint = await this.floats(zeroName, "its zero point");
    return { scale, zeroPoint, type: this.get(zeroName)?.type ?? "U8" };
  }

  /**
   * Integers that stand for floats.
   *
   * @throws {CheckpointFormatError} If scales and zero points do not fit the tensor.
   */
  dequantized(constant: OnnxConstant, scales: Scales, axis: number): OnnxConstant {
    const { tensor, order } = constant;
    if (tensor === undefined) throw new NotUnderstood("its numbers are computed");
    const at = fromFront(axis, constant.shape.length);
    try {
      const floats = dequantizedTensor(tensor, { ...scales, axis: order?.[at] ?? at });
      return { ...constant, type: "F32", tensor: floats };
    } catch (cause) {
      const message = `The ONNX model ${this.file} is damaged: Tensor ${tensor.name}: ${
        (cause as Error).message
      }`;
      throw new CheckpointFormatError(message, { file: this.file, cause });
    }
  }

  /**
   * Defines what a node makes of constants; nothing if it is not known how, so that whoever needs the value
   * finds it missing.
   */
  async evaluate(node: OnnxNode): Promise<void> {
    const { op, inputs: [first], outputs: [output] } = node;
    const x = this.get(first);
    const behind = inputsOf(node).map((name) => this.#depths.get(name) ?? 0);
    const depth = behind.reduce((deepest, each) => Math.max(deepest, each), 0) + 1;
    if (depth > MAX_DEPTH || this.#computed > MAX_COMPUTED) return;
    this.#depths.set(output, depth);
    const isShape = x?.numbers !== undefined || x?.type === "I64" || x?.type === "I32";
    const view = isShape && Object.hasOwn(NUMBER_OPERATORS, op) ? undefined : this.#views[op];
    if (view !== undefined) {
      const result = await view(node, x);
      if (result !== undefined) this.define(output, result);
      return;
    }
    if (!Object.hasOwn(NUMBER_OPERATORS, op) || inputsOf(node).some((name) => !this.get(name))) {
      return;
    }
    const numbers = NUMBER_OPERATORS[op]!(await this.#numbersCall(node));
    if (numbers === undefined || numbers.values.length > MAX_NUMBERS) return;
    this.#computed += numbers.values.length;
    const type = op === "Cast" ? onnxType(integerOf(node, "to", 1)) : x?.type;
    this.define(output, { shape: numbers.shape, type: type ?? "I64", numbers });
  }

  /** What makes tensors of tensors without reading them. */
  readonly #views: Readonly<
    Record<
      string,
      (node: OnnxNode, x: OnnxConstant | undefined) =>
        | Promise<OnnxConstant | undefined>
        | OnnxConstant
        | undefined
    >
  > = {
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
    ConstantOfShape: async ({ attributes, inputs }) => {
      const shape = await this.#integers(inputs[0]);
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
    CastLike: ({ inputs }, x) => cast(x, this.get(inputs[1])?.type ?? "F32"),
    Transpose: ({ attributes }, x) => {
      if (x === undefined) return undefined;
      const turned = attributes.get("perm")?.ints ?? x.shape.map((_, axis) => axis).reverse();
      const order = turned.map((axis) => x.order?.[axis] ?? axis);
      return { ...x, shape: turned.map((axis) => x.shape[axis] ?? NaN), order };
    },
    Reshape: async ({ inputs, attributes }, x) => {
      const shape = attributes.get("shape")?.ints ?? await this.#integers(inputs[1]);
      if (x === undefined || shape === undefined) return undefined;
      const sizes = shape.map((size, axis) => size === 0 ? x.shape[axis] ?? 0 : size);
      const known = sizeOf(sizes.filter((size) => size > 0));
      return this.#reshaped(x, sizes.map((size) => size < 0 ? sizeOf(x.shape) / known : size));
    },
    Flatten: (node, x) => {
      if (x === undefined) return undefined;
      const axis = fromFront(integerOf(node, "axis", 1), x.shape.length);
      return this.#reshaped(x, [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]);
    },
    Squeeze: async (node, x) => {
      const axes = node.attributes.get("axes")?.ints ?? await this.#integers(node.inputs[1]);
      const dropped = axes?.map((axis) => fromFront(axis, x?.shape.length ?? 0));
      const isDropped = (size: number, axis: number) => dropped?.includes(axis) ?? size === 1;
      return x && this.#reshaped(x, x.shape.filter((size, axis) => !isDropped(size, axis)));
    },
    Unsqueeze: async (node, x) => {
      const axes = node.attributes.get("axes")?.ints ?? await this.#integers(node.inputs[1]);
      return x && axes && this.#reshaped(x, unsqueezed(x.shape, axes, () => 1));
    },
    DequantizeLinear: async (node, x) => {
      if (x === undefined || integerOf(node, "block_size", 0) !== 0) return undefined;
      const scales = await this.scales(node.inputs[1], node.inputs[2]);
      return this.dequantized(x, scales, integerOf(node, "axis", 1));
    },
    QuantizeLinear: async (node, x) => {
      const tensor = x && this.plain(x, node.inputs[0]!);
      const scales = await this.scales(node.inputs[1], node.inputs[2]);
      const range = INTEGER_RANGES[scales.type];
      if (x === undefined || tensor === undefined || range === undefined) return undefined;
      const axis = fromFront(integerOf(node, "axis", 1), x.shape.length);
      const { type } = scales;
      return { shape: x.shape, type, tensor: quantizedTensor(tensor, scales, axis, range) };
    },
    Add: (node) => this.#combined(node, (a, b) => a + b),
    Sub: (node) => this.#combined(node, (a, b) => a - b),
    Mul: (node) => this.#combined(node, (a, b) => a * b),
    Div: (node) => this.#combined(node, (a, b) => a / b),
    Pow: (node) => this.#combined(node, (a, b) => a ** b),
    Neg: (node) => this.#mapped(node, (x) => -x),
    Sqrt: (node) => this.#mapped(node, Math.sqrt),
    Reciprocal: (node) => this.#mapped(node, (x) => 1 / x),
  };

  #mapped(node: OnnxNode, compute: (x: number) => number): OnnxConstant | undefined {
    const x = this.get(node.inputs[0]), tensor = this.tensor(node.inputs[0]);
    return x && tensor && { shape: x.shape, type: x.type, tensor: mappedTensor(tensor, compute) };
  }

  /** Each element of the larger one with that of the other, which is spread over it. */
  async #combined(
    { inputs: [a, b] }: OnnxNode,
    compute: (a: number, b: number) => number,
  ): Promise<OnnxConstant | undefined> {
    const [x, y] = [this.get(a), this.get(b)];
    if (x === undefined || y === undefined) return undefined;
    const rank = x.shape.length - y.shape.length;
    const isFirst = rank > 0 || (rank === 0 && sizeOf(x.shape) >= sizeOf(y.shape));
    const tensor = this.tensor(isFirst ? a : b), other = await this.numbers(isFirst ? b : a);
    if (tensor === undefined || other === undefined) return undefined;
    const values = other.values.map((value) => typeof value === "number" ? value : NaN);
    const apply = isFirst ? compute : (large: number, small: number) => compute(small, large);
    const combined = combinedTensor(tensor, { shape: other.shape, values }, apply);
    return combined && { shape: tensor.shape, type: isFirst ? x.type : y.type, tensor: combined };
  }

  #reshaped(x: OnnxConstant, shape: readonly number[]): OnnxConstant | undefined {
    const tensor = this.plain(x, "");
    if (tensor === undefined || sizeOf(shape) !== sizeOf(x.shape)) return undefined;
    return { shape, type: x.type, tensor: { ...tensor, shape } };
  }

  /** A constant in row-major order; `undefined` if some of its numbers are not known. */
  plain(
    { tensor, order, shape, numbers }: OnnxConstant,
    name: string,
  ): CheckpointTensor | undefined {
    if (numbers !== undefined) {
      const values = numbers.values.filter((value) => typeof value === "number");
      if (values.length < numbers.values.length) return undefined;
      return memoryTensor({ name, shape: numbers.shape }, Float32Array.from(values));
    }
    if (tensor === undefined || order === undefined) return tensor;
    const all = rowMajorStrides(tensor.shape);
    const strides = order.map((axis) => all[axis] ?? NaN);
    if (isRowMajor(shape, strides)) return { ...tensor, shape };
    try {
      return stridedTensor({ ...tensor, shape: [sizeOf(shape)] }, shape, strides);
    } catch (cause) {
      throw new NotUnderstood((cause as Error).message);
    }
  }

  /** Integers that are all known. */
  async #integers(name: string | undefined): Promise<number[] | undefined> {
    const found = (await this.numbers(name))?.values;
    const known = found?.filter((value) => typeof value === "number");
    return known?.length === found?.length ? known : undefined;
  }

  async #numbersCall(node: OnnxNode): Promise<NumbersCall> {
    const found: (Numbers | undefined)[] = [];
    for (const name of node.inputs) found.push(await this.numbers(name));
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
}

/** The inputs of a node that are not left out. */
export function inputsOf(node: OnnxNode): string[] {
  return node.inputs.filter((name) => name !== "");
}

/** An attribute that is one integer. */
export function integerOf(node: OnnxNode, attribute: string, fallback: number): number {
  return node.attributes.get(attribute)?.int ?? fallback;
}

function constantOf(tensor: OnnxTensor): OnnxConstant {
  return { shape: tensor.shape, type: tensor.type, tensor };
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
