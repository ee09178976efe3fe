/**
 * Reads ONNX models: float ones, and int8 ones with DequantizeLinear (QDQ) or QLinear operators.
 *
 * @see {@link https://onnx.ai/onnx/operators/}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type {
  CheckpointTensor,
  GraphLayer,
  OldCheckpoint,
  OpenSibling,
  WeightLayout,
} from "../checkpoint.ts";
import { notVgg, OnnxConstants } from "./constants.ts";
import { type OnnxGraph, type OnnxNode, readOnnxGraph } from "./parse.ts";

/** Opens a model. Layers are in the order of the graph's nodes. */
export async function readOnnx(
  source: ByteSource,
  openSibling: OpenSibling,
): Promise<OldCheckpoint> {
  using opened = new DisposableStack();
  const open: OpenSibling = async (name) =>
    opened.adopt(await openSibling(name), (sibling) => sibling.close());
  const graph = await readOnnxGraph(source, open);
  const { tensors, epsilon } = await new GraphReader(graph, source.name).read();
  if (tensors.length === 0) {
    throw new CheckpointFormatError(
      `Expected convolutions with weights in the ONNX model ${source.name}: found none`,
      { code: "checkpoint-unsupported", file: source.name },
    );
  }
  const siblings = opened.move();
  return {
    format: "ONNX",
    tensors,
    inGraphOrder: true,
    graph: graph.nodes.flatMap(graphLayer),
    preprocessing: "torch",
    epsilon: epsilon ?? 1e-5,
    close: () => siblings.dispose(),
  };
}

/** Convolutions and pools, quantized ones too. */
const KINDS: ReadonlyMap<string, GraphLayer["kind"]> = new Map(Object.entries({
  Conv: "convolution",
  QLinearConv: "convolution",
  MaxPool: "max pool",
  AveragePool: "average pool",
  QLinearAveragePool: "average pool",
  GlobalMaxPool: "global max pool",
  GlobalAveragePool: "global average pool",
  QLinearGlobalAveragePool: "global average pool",
  ReduceMean: "global average pool",
}));

function graphLayer({ name, op, outputs, attributes }: OnnxNode): GraphLayer[] {
  const kind = KINDS.get(op);
  if (kind === undefined) return [];
  const window = attributes.get("kernel_shape")?.ints ?? [];
  const stride = attributes.get("strides")?.ints ?? [1, 1];
  return [{ name: name || outputs[0] || op, kind, window, stride }];
}

/** Walks a graph and gives the tensors of its layers the names by which they are matched. */
class GraphReader {
  readonly #constants: OnnxConstants;
  readonly #tensors: CheckpointTensor[] = [];
  readonly #names = new Set<string>();
  /** Layers by the output that a bias may yet be added to. */
  readonly #unbiased = new Map<string, string>();
  #inputs: WeightLayout["inputs"] = "CHW";
  #epsilon: number | undefined;

  constructor(readonly graph: OnnxGraph, readonly file: string) {
    this.#constants = new OnnxConstants(graph, file);
  }

  async read(): Promise<{ tensors: CheckpointTensor[]; epsilon: number | undefined }> {
    for (const node of this.graph.nodes) await this.#operators.get(node.op)?.(node);
    return { tensors: this.#tensors, epsilon: this.#epsilon };
  }

  /** What each operator's inputs are; one that is not here has no weights in a VGG. */
  readonly #operators = new Map<string, (node: OnnxNode) => Promise<void> | void>(Object.entries({
    Conv: async (node) => {
      await this.#layer(node, await this.#constants.open(node.inputs[1]), node.inputs[2]);
    },
    Gemm: async (node) => {
      const weight = this.#dense(node, await this.#constants.open(node.inputs[1]));
      await this.#layer(node, weight, node.inputs[2]);
    },
    MatMul: async (node) => {
      await this.#layer(node, this.#dense(node, await this.#constants.open(node.inputs[1])));
    },
    Add: (node) => {
      const [a = "", b = ""] = node.inputs;
      return this.#addBias(node, a, b, (name) => this.#constants.open(name));
    },
    BatchNormalization: (node) => this.#norm(node),

    QLinearConv: async (node) => {
      const [, xScale, , w, wScale, wZero, , , bias] = node.inputs;
      const name = await this.#layer(node, await this.#constants.dequantized(w, wScale, wZero, 0));
      if (bias) await this.#integerBias(node, name, bias, [xScale, wScale]);
    },
    QGemm: async (node) => {
      const [, xScale, , b, bScale, bZero, bias] = node.inputs;
      const axis = node.attributes.get("transB")?.int === 1 ? 0 : 1;
      const weight = this.#dense(node, await this.#constants.dequantized(b, bScale, bZero, axis));
      const name = await this.#layer(node, weight);
      if (bias) await this.#integerBias(node, name, bias, [xScale, bScale]);
    },
    QLinearMatMul: async (node) => {
      const [, , , b, scale, zero] = node.inputs;
      const weight = await this.#constants.dequantized(b, scale, zero, -1);
      await this.#layer(node, this.#dense(node, weight));
    },
    QLinearAdd: (node) => {
      const [a = "", aScale, aZero, b = "", bScale, bZero] = node.inputs;
      return this.#addBias(node, a, b, (name) => {
        const [scale, zero] = name === a ? [aScale, aZero] : [bScale, bZero];
        return this.#constants.dequantized(name, scale, zero, -1);
      });
    },
    QuantizeLinear: (node) => this.#passOn(node),
    DequantizeLinear: (node) => this.#passOn(node),

    // What was exported from TensorFlow turns its maps round before it flattens them.
    Transpose: (node) => {
      if (String(node.attributes.get("perm")?.ints) === "0,2,3,1") this.#inputs = "HWC";
    },
  }));

  /** Takes a layer's weight and gives it a name; a bias that it lacks may be added by a later node. */
  async #layer(
    node: OnnxNode,
    weight: CheckpointTensor | undefined,
    bias?: string,
  ): Promise<string> {
    if (weight === undefined) throw this.#error(`the weight of a ${node.op} is not in the file`);
    const name = this.#unique(weight.name.replace(/[._/](weight|kernel|W)(:0)?$/, ""));
    this.#tensors.push({ ...weight, name: `${name}.weight` });
    this.#unbiased.set(node.outputs[0], name);
    if (!bias) return name;
    const tensor = await this.#constants.open(bias);
    if (tensor === undefined) throw this.#error(`the bias of ${name} is not in the file`);
    this.#tensors.push({ ...tensor, name: `${name}.bias` });
    this.#unbiased.delete(node.outputs[0]);
    return name;
  }

  /** A layer's output that is only quantized between its product and its bias. */
  #passOn({ inputs, outputs }: OnnxNode): void {
    const layer = this.#unbiased.get(inputs[0] ?? "");
    if (layer !== undefined) this.#unbiased.set(outputs[0], layer);
  }

  /** Takes the constant that is added to a layer's output as its bias. */
  async #addBias(
    node: OnnxNode,
    a: string,
    b: string,
    open: (name: string) => Promise<CheckpointTensor | undefined>,
  ): Promise<void> {
    const layer = this.#unbiased.get(a) ?? this.#unbiased.get(b);
    if (layer === undefined) return;
    const tensor = await open(this.#unbiased.has(a) ? b : a);
    if (tensor === undefined) throw this.#error(`what ${node.op} adds to ${layer} is no constant`);
    this.#tensors.push({ ...tensor, name: `${layer}.bias` });
  }

  /** An int32 bias, whose scale is the product of those of input and weights. */
  async #integerBias(
    node: OnnxNode,
    layer: string,
    bias: string,
    [xScale, wScale]: [string | undefined, string | undefined],
  ): Promise<void> {
    const tensor = this.#constants.plain(bias);
    if (tensor === undefined) throw this.#error(`the bias of ${layer} is not in the file`);
    const [x] = await this.#constants.values(xScale);
    if (x === undefined) throw this.#error(`the input of ${layer} has no scale`);
    const scale = (await this.#constants.values(wScale)).map((s) => s * x);
    const zeroPoint = new Float32Array(scale.length);
    const floats = this.#constants.checked(tensor, { scale, zeroPoint, axis: 0 });
    this.#tensors.push({ ...floats, name: `${layer}.bias` });
    this.#unbiased.delete(node.outputs[0]);
  }

  async #norm(node: OnnxNode): Promise<void> {
    const name = this.#unique((node.inputs[1] ?? "").replace(/[._/][^._/]*$/, ""));
    for (const [index, role] of ["gamma", "beta", "mean", "variance"].entries()) {
      const tensor = await this.#constants.open(node.inputs[1 + index]);
      if (tensor === undefined) throw this.#error(`${node.op} ${name} has no ${role}`);
      this.#tensors.push({ ...tensor, name: `${name}.${role}` });
    }
    this.#epsilon = node.attributes.get("epsilon")?.float ?? 1e-5;
  }

  #dense(node: OnnxNode, weight: CheckpointTensor | undefined): CheckpointTensor | undefined {
    if (weight === undefined) return undefined;
    const outputs = node.attributes.get("transB")?.int === 1 ? "first" : "last";
    return { ...weight, layout: { outputs, inputs: this.#inputs } };
  }

  #unique(name: string): string {
    const unique = this.#names.has(name) ? `${name}#${this.#names.size}` : name;
    this.#names.add(unique);
    return unique;
  }

  #error(message: string): CheckpointFormatError {
    return notVgg(this.file, message);
  }
}
