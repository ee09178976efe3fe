/** One node with the values that it takes: what the operators' meanings are told from. */

import { type CheckpointTensor, readAll, sizeOf } from "../checkpoint.ts";
import type { Operator } from "../graph.ts";
import type { Axes } from "./axes.ts";
import type { OnnxConstant, OnnxConstants } from "./constants.ts";
import { NotUnderstood } from "./not_understood.ts";
import type { Element } from "./numbers.ts";
import { integerOf, type OnnxNode } from "./parse.ts";

/** A value that is computed from the images. */
export interface Value {
  /** `undefined` behind what is not understood. */
  readonly axes: Axes | undefined;
  /** Whether a ReLU would change nothing. */
  readonly isNonNegative?: boolean | undefined;
  /** Whether it is the image still, whatever was done to its bytes. */
  readonly isImage?: boolean | undefined;
  /** Of integers that stand for floats: a graph is told as if they were the floats. */
  readonly quantization?: Quantization | undefined;
  /** Of averages over one of a map's two axes: the map's name. */
  readonly averages?: string | undefined;
  /** Of a value whose axes were turned round: that before. */
  readonly turned?: { readonly from: string; readonly order: readonly number[] } | undefined;
  /** Of some channels of another value: which ones. */
  readonly picks?: { readonly from: string; readonly channels: readonly number[] } | undefined;
}

/** Integers `q` that stand for `(q - zeroPoint) * scale`. */
export interface Quantization {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** What a node does, and what it gives. */
export interface Meaning extends Value {
  /** One after the other. */
  readonly operators: readonly Operator[];
  /** The value that the first one takes. Default: the node's computed input. */
  readonly from?: string | undefined;
}

/** Tells what a node means: its first output, or each of them. */
export type Translator<T extends Meaning | Meaning[] = Meaning | Meaning[]> = (
  call: Call,
) => Promise<T> | T;

/** The name of the value that the operator `index` of several gives, which are one node in the file. */
export function valueBetween(output: string, index: number, count: number): string {
  return index === count - 1 ? output : `${output} (${index + 1} of ${count})`;
}

/** A node, and what is known about its inputs. */
export class Call {
  constructor(
    readonly node: OnnxNode,
    readonly opset: number,
    readonly constants: OnnxConstants,
    /** What is known about a value that is computed from the images. */
    readonly valueOf: (name: string) => Value | undefined,
  ) {}

  /** The inputs that are computed from the images. */
  get computed(): string[] {
    return this.node.inputs.filter((name) => this.valueOf(name) !== undefined);
  }

  /** The name of the input that is computed from the images. */
  get source(): string {
    const [source, ...others] = this.computed;
    if (source === undefined) throw new NotUnderstood("it takes no value that is computed");
    if (others.length > 0) {
      throw new NotUnderstood("all that it takes is computed: a VGG is one chain of layers");
    }
    return source;
  }

  /** What is known about that input. */
  get value(): Value {
    return this.valueOf(this.source)!;
  }

  /** Its axes: a node behind what is not understood is not asked for its meaning. */
  get axes(): Axes {
    return this.value.axes!;
  }

  /** The axes of a map, which are four. */
  get mapAxes(): Axes {
    if (this.axes.length !== 4) {
      throw new NotUnderstood(`it takes ${this.axes.length} axes, not four`);
    }
    return this.axes;
  }

  /** The same with another value of that input. */
  withValue(name: string, value: Value): Call {
    const valueOf = (other: string) => other === name ? value : this.valueOf(other);
    return new Call(this.node, this.opset, this.constants, valueOf);
  }

  /** Refuses integers that stand for floats, where a graph computes with them as they are. */
  expectFloats(): void {
    if (this.value.quantization === undefined) return;
    throw new NotUnderstood("it computes with integers that stand for floats");
  }

  /** What moves or keeps the values: all that is known about them stays. */
  moved(operators: readonly Operator[], axes: Axes): Meaning {
    const { isNonNegative, isImage, quantization } = this.value;
    return { operators, axes, isNonNegative, isImage, quantization };
  }

  /**
   * What goes with the channels, whichever axis they are: exporters turn them to where an operator wants them,
   * and back again. It is told before the turn, so that the two can go.
   */
  beforeTurn(operator: Operator, meaning: Meaning): Meaning {
    const { turned } = this.value;
    if (turned === undefined) return { ...meaning, operators: [operator] };
    const { from, order } = turned;
    const between = valueBetween(this.node.outputs[0], 0, 2);
    const operators: Operator[] = [operator, { kind: "transpose", order }];
    return { ...meaning, operators, from, turned: { from: between, order } };
  }

  integer(attribute: string, fallback: number): number {
    return integerOf(this.node, attribute, fallback);
  }

  float(attribute: string, fallback: number): number {
    return this.node.attributes.get(attribute)?.float ?? fallback;
  }

  text(attribute: string, fallback: string): string {
    return this.node.attributes.get(attribute)?.text ?? fallback;
  }

  integers(attribute: string): readonly number[] | undefined {
    return this.node.attributes.get(attribute)?.ints;
  }

  /** A constant input. */
  constant(input: number, what: string): OnnxConstant {
    const name = this.node.inputs[input], constant = this.constants.get(name);
    if (constant === undefined) throw this.constants.missing(name, what);
    return constant;
  }

  /** A constant input in row-major order; each use is a tensor of its own. */
  tensor(input: number, what: string): CheckpointTensor {
    const tensor = this.optional(input, what);
    if (tensor === undefined) throw new NotUnderstood(`${what} is no constant`);
    return tensor;
  }

  /** `undefined` if the input is left out. */
  optional(input: number, what: string): CheckpointTensor | undefined {
    const name = this.node.inputs[input];
    if (!name) return undefined;
    const tensor = this.constants.tensor(name);
    if (tensor === undefined) throw this.constants.missing(name, what);
    return { ...tensor };
  }

  /** The numbers of an input, of which some may be open; `undefined` if it is left out. */
  async elements(input: number, what: string): Promise<readonly Element[] | undefined> {
    const name = this.node.inputs[input];
    if (!name) return undefined;
    const numbers = await this.constants.numbers(name);
    if (numbers === undefined) throw this.constants.missing(name, what);
    return numbers.values;
  }

  /** A list that was an attribute before it was an input; `undefined` if there is neither. */
  async list(
    attribute: string,
    input: number,
    what: string,
  ): Promise<readonly number[] | undefined> {
    const ints = this.integers(attribute);
    if (ints !== undefined) return ints;
    const values = await this.elements(input, what);
    const known = values?.filter((value) => typeof value === "number");
    if (known?.length !== values?.length) throw new NotUnderstood(`${what} is no constant`);
    return known;
  }

  /** A number that was an attribute before it was an input; `undefined` if there is neither. */
  async number(attribute: string, input: number, what: string): Promise<number | undefined> {
    const float = this.node.attributes.get(attribute)?.float;
    if (float !== undefined) return float;
    const tensor = this.optional(input, what);
    if (tensor === undefined) return undefined;
    if (sizeOf(tensor.shape) !== 1) throw new NotUnderstood(`${what} is not one number`);
    return (await readAll(tensor))[0];
  }
}
