/** The constants of an ONNX graph, by the names of their values. */

import { CheckpointFormatError } from "../../../errors.ts";
import { type CheckpointTensor, readAll, sizeOf } from "../checkpoint.ts";
import { dequantizedTensor, isRowMajor, rowMajorStrides, stridedTensor } from "../tensors.ts";
import { NotUnderstood } from "./not_understood.ts";
import { fromFront, MAX_NUMBERS, type Numbers } from "./numbers.ts";
import { memoryTensor, type OnnxTensor, type OnnxType } from "./tensor.ts";

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

/** Looks constants up by the name of the value. */
export class OnnxConstants {
  readonly #constants = new Map<string, OnnxConstant>();
  readonly #reasons = new Map<string, string>();
  #numbersRead = 0;

  constructor(initializers: ReadonlyMap<string, OnnxTensor>, private readonly file: string) {
    for (const [name, tensor] of initializers) this.#constants.set(name, constantOf(tensor));
  }

  get(name: string | undefined): OnnxConstant | undefined {
    return this.#constants.get(name ?? "");
  }

  /** Remembers why a value that would be a constant is not known. */
  refuse(name: string, because: string): void {
    this.#reasons.set(name, because);
  }

  /** The error of a value that had to be a constant. */
  missing(name: string | undefined, what: string): NotUnderstood {
    const reason = this.#reasons.get(name ?? "");
    return new NotUnderstood(`${what} is no constant${reason === undefined ? "" : `: ${reason}`}`);
  }

  define(name: string, constant: OnnxConstant): void {
    this.#constants.set(name, constant);
  }

  /** Numbers of small constants that were read in all: a file may ask for them again and again. */
  get numbersRead(): number {
    return this.#numbersRead;
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
    this.#numbersRead += size;
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
  async integers(name: string | undefined): Promise<number[] | undefined> {
    const found = (await this.numbers(name))?.values;
    const known = found?.filter((value) => typeof value === "number");
    return known?.length === found?.length ? known : undefined;
  }
}

/** A tensor of the file. */
export function constantOf(tensor: OnnxTensor): OnnxConstant {
  return { shape: tensor.shape, type: tensor.type, tensor };
}
