/** Translates TensorFlow's nodes, from what a network gives back to the images. */

import { CheckpointFormatError } from "../../../errors.ts";
import type { Budget } from "../budget.ts";
import { type CheckpointTensor, OUTPUTS_LAST } from "../checkpoint.ts";
import type { Graph, GraphNode, Layout, Operator } from "../graph.ts";
import { isMet } from "./branches.ts";
import { isDroppedOut, withoutDropout } from "./dropout.ts";
import type { TfFunction, TfGraph } from "./graph_def.ts";
import { OPERATORS } from "./operators.ts";
import { memoryTensor, type Sizes } from "./tensor_proto.ts";
import { type Activation, type Place, Scope, type Translation, type Value } from "./values.ts";

/** Functions that call functions. */
const MAX_DEPTH = 32;

/** Steps that a value counts for: a function's are computed each time that it is called. */
const VISITS = 16;

/** Translates a graph. */
export class Translator implements Translation {
  readonly nodes: GraphNode[] = [];

  /**
   * @param file For messages.
   * @param variable Finds the contents of a variable by the name of the node that declares it.
   */
  constructor(
    readonly graph: TfGraph,
    readonly file: string,
    readonly budget: Budget,
    readonly variable: (name: string) => CheckpointTensor | undefined,
  ) {}

  /** Translates what leads to these values; those that do not come from the images are left out. */
  async translate(outputs: readonly string[]): Promise<Graph> {
    const scope = Scope.outer(this.graph.nodes);
    const found: string[] = [];
    let other: string | undefined;
    for (const output of outputs) {
      const place = scope.locate(output);
      const value = place === undefined ? undefined : await this.valueOf(place);
      const computed = value?.kind === "choice" ? value.of : value;
      if (value?.kind === "unknown") other ??= value.op;
      if (computed?.kind === "activation" && !computed.isInput) found.push(computed.output);
    }
    if (found.length === 0 && other !== undefined) {
      throw new CheckpointFormatError(
        `Expected a network of images in ${this.file}: what it gives comes from ${other}`,
        { code: "checkpoint-unsupported", file: this.file },
      );
    }
    return { nodes: this.nodes, outputs: withoutInner([...new Set(found)], this.nodes) };
  }

  /** The value of an input of a node. */
  async input({ scope, node }: Place, index: number): Promise<Value> {
    const name = node.inputs.at(index) ?? "";
    const place = scope.locate(name);
    return place === undefined ? { kind: "unknown", op: name } : await this.valueOf(place);
  }

  /** The value of a place. */
  async valueOf(place: Place): Promise<Value> {
    const { node, scope, index } = place;
    const values = scope.values.get(node) ?? new Map<number, Value | undefined>();
    scope.values.set(node, values);
    const known = values.get(index);
    if (known !== undefined) return known;
    if (values.has(index)) this.#fail(`node ${node.name} takes what it gives`);
    this.budget.visit(VISITS);
    values.set(index, undefined);
    // So that the depth of a graph is not that of the stack.
    await undefined;
    const value = await this.#compute(place);
    values.set(index, value);
    return value;
  }

  async #compute(place: Place): Promise<Value> {
    const { node } = place;
    const called = node.attributes.get("f")?.func ?? node.op;
    const body = this.graph.functions.get(called);
    if (body !== undefined && (CALLS.has(node.op) || called === node.op)) {
      return await this.#call(place, body);
    }
    if (CONDITIONS.has(node.op)) return await this.#branch(place);
    if (isDroppedOut(place)) return await withoutDropout(this, place);
    return await OPERATORS[node.op]?.(this, place) ?? await this.unsupported(place);
  }

  /** What the function gives that a condition takes. */
  async #branch(place: Place): Promise<Value> {
    const condition = await isMet(this, place, 0);
    if (condition === undefined) {
      return await this.unsupported(place, "its condition has to be fed");
    }
    const called = place.node.attributes.get(condition ? "then_branch" : "else_branch")?.func;
    const body = this.graph.functions.get(called ?? "");
    return body === undefined ? await this.unsupported(place) : await this.#call(place, body, 1);
  }

  /** @param first Which input of the node is the function's first. */
  async #call(place: Place, body: TfFunction, first = 0): Promise<Value> {
    const inner = place.scope.inner(place.node, body, first);
    if (inner.depth > MAX_DEPTH) this.#fail(`its functions call each other ${MAX_DEPTH} deep`);
    const result = inner.locate(body.returns[place.index] ?? "");
    return result === undefined ? { kind: "unknown", op: body.name } : await this.valueOf(result);
  }

  /** Adds a node. */
  emit(
    { node: { name } }: Place,
    operator: Operator,
    inputs: readonly Activation[],
    shape: Sizes | undefined = inputs[0]?.shape,
    layout: Layout | undefined = inputs[0]?.layout,
  ): Activation {
    const output = `${name}#${this.nodes.length}`;
    this.nodes.push({ name, operator, inputs: inputs.map((input) => input.output), output });
    return { kind: "activation", output, shape, layout, isInput: operator.kind === "input" };
  }

  /** What no operator is known for: harmless unless it is computed from the images. */
  async unsupported(place: Place, because?: string): Promise<Value> {
    const { node } = place;
    const inputs: Activation[] = [];
    let unknown: string | undefined;
    for (let index = 0; index < node.inputs.length; index++) {
      const value = await this.input(place, index);
      if (value.kind === "activation") inputs.push(value);
      if (value.kind === "color" || value.kind === "choice") inputs.push(value.of);
      if (value.kind === "unknown") unknown ??= value.op;
    }
    if (inputs.length === 0) {
      // What first looks at a text or a number that is fed says more than that it is fed.
      return {
        kind: "unknown",
        op: unknown === undefined || unknown === "Placeholder" ? node.op : unknown,
      };
    }
    const reason = because ?? (unknown === undefined ? undefined : `it takes ${unknown}`);
    const operator = { kind: "unsupported", type: node.op, because: reason } as const;
    // Of the size and layout nothing is known any more.
    return { ...this.emit(place, operator, inputs), shape: undefined };
  }

  /** The tensor that a value stands for, if it is a constant. */
  constant(value: Value): CheckpointTensor | undefined {
    if (value.kind === "constant") return value.tensor;
    if (value.kind === "variable") return this.variable(value.name);
    if (value.kind !== "integers" || !value.values?.every((size) => size !== undefined)) return;
    const shape = value.isScalar ? [] : [value.values.length];
    const about = { name: "a constant", shape, layout: OUTPUTS_LAST };
    return memoryTensor(about, Float32Array.from(value.values));
  }

  #fail(message: string): never {
    const text = `${this.file} is damaged: ${message}`;
    throw new CheckpointFormatError(text, { file: this.file });
  }
}

/**
 * The weights of a graph's layers.
 *
 * @param format For messages, as the file's name is.
 * @throws {CheckpointFormatError} If there are none, or nothing is computed.
 */
export function weightsOf(
  { nodes, outputs }: Graph,
  format: string,
  file: string,
): readonly CheckpointTensor[] {
  const weights = nodes.flatMap(({ operator }) =>
    operator.kind === "conv" || operator.kind === "dense" ? [operator.weight] : []
  );
  if (weights.length > 0 && outputs.length > 0) return weights;
  const found = nodes.flatMap(({ operator, name }) => {
    if (operator.kind !== "unsupported") return [];
    const { type, because } = operator;
    return [`, and ${type} ${name}${because === undefined ? "" : `: ${because}`}`];
  });
  throw new CheckpointFormatError(
    `Expected convolutions with weights in the ${format} ${file}: found none${found[0] ?? ""}`,
    { code: "checkpoint-unsupported", file },
  );
}

/** What calls the function in its attribute `f`. */
const CALLS: ReadonlySet<string> = new Set(["PartitionedCall", "StatefulPartitionedCall"]);

/** What calls the function in its attribute `then_branch` or `else_branch`. */
const CONDITIONS: ReadonlySet<string> = new Set(["If", "StatelessIf"]);

/** Of values one of which is computed from another only the last: logits beside their probabilities are one head. */
function withoutInner(outputs: readonly string[], nodes: readonly GraphNode[]): string[] {
  const producers = new Map(nodes.map((node) => [node.output, node]));
  const inner = new Set<string>();
  const walk = [...outputs];
  for (let output = walk.pop(); output !== undefined; output = walk.pop()) {
    for (const input of producers.get(output)?.inputs ?? []) {
      if (inner.has(input)) continue;
      inner.add(input);
      walk.push(input);
    }
  }
  return outputs.filter((output) => !inner.has(output));
}
