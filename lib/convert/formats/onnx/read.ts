/**
 * Reads ONNX models: a graph of all that is done to the images, of float ones and of int8 ones.
 *
 * @see {@link https://onnx.ai/onnx/operators/}
 */

import { Cleanup } from "../../../cleanup.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Checkpoint, CheckpointTensor, OpenSibling } from "../checkpoint.ts";
import type { Graph, GraphNode, Layout, Operator } from "../graph.ts";
import { Call, type Meaning, type Value, valueBetween } from "./call.ts";
import { OnnxConstants } from "./constants.ts";
import { ConstantEvaluator } from "./evaluate.ts";
import { hintOf } from "./images.ts";
import { inlineFunctions } from "./inline.ts";
import { inputLayouts } from "./input_layout.ts";
import { NotUnderstood } from "./not_understood.ts";
import { elementsOf } from "./axes.ts";
import { vector } from "./numbers.ts";
import { operatorName, translatorOf } from "./operators.ts";
import { inputsOf, type OnnxInput, type OnnxModel, type OnnxNode, parseOnnx } from "./parse.ts";

/** Opens a model. */
export async function readOnnx(source: ByteSource, openSibling: OpenSibling): Promise<Checkpoint> {
  using opened = new Cleanup();
  const open: OpenSibling = async (name) =>
    opened.adopt(await openSibling(name), (sibling) => sibling.close());
  const model = await parseOnnx(source, open);
  const graph = await new GraphReader(model, source.name).read();
  const siblings = opened.move();
  return {
    format: "ONNX",
    tensors: graph.nodes.flatMap(({ operator }) => tensorsOf(operator)),
    order: "none",
    graph,
    images: hintOf(model),
    epsilon: 1e-5,
    close: () => siblings.dispose(),
  };
}

function tensorsOf(operator: Operator): CheckpointTensor[] {
  const values: unknown[] = Object.values(operator);
  return values.filter((value): value is CheckpointTensor =>
    typeof value === "object" && value !== null && "read" in value
  );
}

/** Walks a model's nodes in their order and says of each what it does to the images. */
class GraphReader {
  readonly #constants: OnnxConstants;
  readonly #evaluator: ConstantEvaluator;
  readonly #values = new Map<string, Value>();
  readonly #nodes: GraphNode[] = [];

  constructor(readonly model: OnnxModel, readonly file: string) {
    this.#constants = new OnnxConstants(model.initializers, file);
    this.#evaluator = new ConstantEvaluator(this.#constants);
  }

  async read(): Promise<Graph> {
    const { inputs, outputs } = this.model;
    const nodes = inlineFunctions(this.model, this.file);
    const layouts = inputLayouts(inputs, nodes);
    for (const input of inputs) this.#input(input, layouts.get(input.name));
    for (const node of nodes) await this.#node(node);
    for (const output of outputs) this.#output(output);
    return { nodes: this.#nodes, outputs };
  }

  #input({ name, shape }: OnnxInput, layout: Layout | undefined): void {
    if (shape !== undefined && shape.length !== 4) {
      const because = `it has the shape [${shape.map((size) => size ?? "?").join(", ")}]: ` +
        "images have four axes";
      this.#add({ name, operators: [{ kind: "unsupported", type: "input", because }] }, [], name);
      this.#values.set(name, { axes: undefined });
      return;
    }
    const [images, a, b, c] = shape ?? [];
    const isLast = layout === "NHWC";
    const [channels, height, width] = isLast ? [c, a, b] : [a, b, c];
    const isKnown = layout !== undefined;
    const operator: Operator = {
      kind: "input",
      layout,
      ...isKnown
        ? { height, width, channels }
        : { height: undefined, width: undefined, channels: undefined },
    };
    this.#add({ name, operators: [operator] }, [], name);
    const places = [{ of: "places", size: height }, { of: "places", size: width }] as const;
    const channel = { of: "channels", size: channels } as const;
    const axes = [
      { of: "images", size: images } as const,
      ...isLast ? [...places, channel] : [channel, ...places],
    ];
    this.#values.set(name, { axes, isImage: true });
  }

  async #node(node: OnnxNode): Promise<void> {
    const sources = inputsOf(node).filter((name) => this.#values.has(name));
    if (sources.length === 0) return await this.#evaluate(node);
    if (node.op === "Shape" && node.domain === "") return this.#shape(node);
    const name = node.name || node.outputs[0];
    const meanings = await this.#meaningsOf(node, sources);
    for (const [index, output] of node.outputs.entries()) {
      if (output === "" || this.#constants.get(output) !== undefined) continue;
      const meaning = meanings[index] ?? notUnderstood(node, "its other outputs are not known");
      const { from, operators, ...value } = meaning;
      this.#add({ name, operators }, from === undefined ? sources : [from], output);
      this.#values.set(output, value);
    }
  }

  /** What a node means; where that is not known, this alone. */
  async #meaningsOf(node: OnnxNode, sources: readonly string[]): Promise<Meaning[]> {
    // Behind what is not understood nothing is, and only the first is to be named.
    const from = sources.find((name) => this.#values.get(name)!.axes === undefined);
    if (from !== undefined) {
      return node.outputs.map(() => ({ operators: [{ kind: "identity" }], axes: undefined, from }));
    }
    try {
      const translate = translatorOf(node);
      if (translate === undefined) return [notUnderstood(node, domainHint(node))];
      const valueOf = (name: string) => this.#values.get(name);
      const call = new Call(node, this.model.opset, this.#constants, valueOf);
      return [await translate(call)].flat();
    } catch (error) {
      if (!(error instanceof NotUnderstood)) throw error;
      return node.outputs.map(() => notUnderstood(node, error.message));
    }
  }

  async #evaluate(node: OnnxNode): Promise<void> {
    if (node.domain !== "" && node.domain !== "com.microsoft") return;
    try {
      await this.#evaluator.evaluate(node);
    } catch (error) {
      // It matters to whoever needs it.
      if (!(error instanceof NotUnderstood)) throw error;
      this.#constants.refuse(node.outputs[0], `${operatorName(node)}: ${error.message}`);
    }
  }

  /** A graph computes with its values' shapes. */
  #shape(node: OnnxNode): void {
    const axes = this.#values.get(node.inputs[0] ?? "")?.axes;
    if (axes === undefined) return;
    const [start, end] = ["start", "end"].map((key) => node.attributes.get(key)?.int);
    this.#constants.defineNumbers(node.outputs[0], vector(elementsOf(axes).slice(start ?? 0, end)));
  }

  /** An output that no image leads to. */
  #output(name: string): void {
    if (this.#values.has(name)) return;
    const because = this.#constants.get(name) === undefined
      ? "no node gives it"
      : "it is a constant, whatever the image is";
    this.#add({ name, operators: [{ kind: "unsupported", type: "output", because }] }, [], name);
  }

  /** Adds operators, each taking what the one before it gives; a value that lies between has a name of its own. */
  #add(
    { name, operators }: { name: string; operators: readonly Operator[] },
    inputs: readonly string[],
    output: string,
  ): void {
    let before = inputs;
    for (const [index, operator] of operators.entries()) {
      const given = valueBetween(output, index, operators.length);
      this.#nodes.push({ name, inputs: before, output: given, operator });
      before = [given];
    }
  }
}

function notUnderstood(node: OnnxNode, because: string | undefined): Meaning {
  return {
    operators: [{ kind: "unsupported", type: operatorName(node), because }],
    axes: undefined,
  };
}

/** What is known about operators that are not: onnxruntime's own layouts. */
function domainHint({ domain }: OnnxNode): string | undefined {
  return /^com\.(microsoft|ms)\./.test(domain)
    ? "it is for one kind of processor: save the optimized model at a lower level"
    : undefined;
}
