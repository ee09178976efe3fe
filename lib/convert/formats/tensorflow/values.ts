/** What stands at the inputs of a node while its graph is translated, and what an operator may ask. */

import type { CheckpointTensor } from "../checkpoint.ts";
import type { Layout, Operator } from "../graph.ts";
import type { TfAttribute, TfFunction, TfNode, TfNodes } from "./graph_def.ts";
import type { Sizes } from "./tensor_proto.ts";

/** Computed from the images: a value of the graph that is made. */
export interface Activation {
  readonly kind: "activation";
  readonly output: string;
  readonly shape: Sizes | undefined;
  readonly layout: Layout | undefined;
  /** Whether it is what the graph takes, as it is. */
  readonly isInput: boolean;
}

/** One color of the images, `x * scale + shift`, which is to be put beside the others again. */
export interface Color {
  readonly kind: "color";
  readonly of: Activation;
  readonly index: number;
  readonly scale: number;
  readonly shift: number;
}

/** A few integers: a shape, places, an order of axes. One that depends on the images is `undefined`. */
export interface Integers {
  readonly kind: "integers";
  /** `undefined` if nobody knows how many. */
  readonly values: Sizes | undefined;
  readonly isScalar: boolean;
}

/** What is chosen of scores, such as the best label: no score itself, so that a network ends before it. */
export interface Choice {
  readonly kind: "choice";
  readonly of: Activation;
}

/** What a node gives. */
export type Value =
  | Activation
  | Color
  | Choice
  | Integers
  | { readonly kind: "constant"; readonly tensor: CheckpointTensor }
  /** By the name of the node that declares it. */
  | { readonly kind: "variable"; readonly name: string }
  /** Neither of the images nor known: random numbers, a switch that has to be fed. */
  | { readonly kind: "unknown"; readonly op: string };

/** A graph, or the body of a function where it is called. */
export class Scope {
  /** Values that are known already, or being computed: then `undefined`; one for each output of a node. */
  readonly values = new Map<TfNode, Map<number, Value | undefined>>();
  readonly #calls = new Map<TfNode, Scope>();

  private constructor(
    readonly nodes: TfNodes,
    readonly parameters: ReadonlyMap<string, { readonly scope: Scope; readonly input: string }>,
    /** Calls around it. */
    readonly depth: number,
  ) {}

  /** The outermost graph. */
  static outer(nodes: TfNodes): Scope {
    return new Scope(nodes, new Map(), 0);
  }

  /**
   * The body of a function that a node of this graph calls.
   *
   * @param first Which input of the node is the function's first.
   */
  inner(node: TfNode, { nodes, parameters }: TfFunction, first = 0): Scope {
    const known = this.#calls.get(node);
    if (known !== undefined) return known;
    const values = parameters.map((name, index) =>
      [name, { scope: this as Scope, input: node.inputs[first + index] ?? "" }] as const
    );
    const scope = new Scope(nodes, new Map(values), this.depth + 1);
    this.#calls.set(node, scope);
    return scope;
  }

  /**
   * Finds the node of a value: `NODE`, `NODE:N`, in a function `NODE:OUTPUT:N`, or the name of an argument.
   */
  locate(name: string): Place | undefined {
    const [first = "", ...rest] = name.split(":");
    const node = this.nodes.get(first);
    if (node !== undefined) return { scope: this, node, index: Number(rest.at(-1) ?? 0) };
    const argument = this.parameters.get(name);
    return argument?.scope.locate(argument.input);
  }
}

/** A value's node: `index` of its outputs. */
export interface Place {
  readonly scope: Scope;
  readonly node: TfNode;
  readonly index: number;
}

/** What the translation of an operator may ask, and adds to. */
export interface Translation {
  /** The value of an input of a node; -1 is the last one. */
  input(place: Place, index: number): Promise<Value>;
  /** Adds a node; shape and layout are by default those of the first input. */
  emit(
    place: Place,
    operator: Operator,
    inputs: readonly Activation[],
    shape?: Sizes,
    layout?: Layout,
  ): Activation;
  /** What is not understood: harmless unless it is computed from the images. */
  unsupported(place: Place, because?: string): Promise<Value>;
  /** The tensor that a value stands for, if it is a constant. */
  constant(value: Value): CheckpointTensor | undefined;
}

/** An attribute of a node; one that is left out has nothing in it. */
export function attribute({ node }: Place, name: string): TfAttribute {
  return node.attributes.get(name) ?? { ints: [], texts: [] };
}

/** The axis of the channels; images whose layout nobody has said have them last. */
export function channelAxis({ shape, layout }: Activation): number {
  return layout === "NCHW" ? 1 : (shape?.length ?? 4) - 1;
}
