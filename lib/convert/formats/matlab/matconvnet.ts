/** MatConvNet's networks as graphs. */

import { type CheckpointTensor, sizeOf } from "../checkpoint.ts";
import type { Graph, GraphNode, Operator, Padding, Pair } from "../graph.ts";
import { mappedTensor } from "../tensors.ts";
import {
  fieldsOf,
  itemsOf,
  type MatFields,
  type MatValue,
  numbersOf,
  structuresOf,
  tensorOf,
  textOf,
  textsOf,
} from "./value.ts";

/** A layer of either kind of network. */
interface Layer {
  readonly name: string;
  /** In lower case: `conv`, `pooling`. */
  readonly type: string;
  readonly fields: MatFields;
  readonly weights: readonly (MatValue | undefined)[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** What compares an output with labels is beside the network; SimpleNN's loss holds its soft-max. */
const LOSSES = /^(loss|.*error|objective)$/;

/** The graph that a network's variables describe; `undefined` if they are none. */
export async function graphOf(net: MatFields, input: Operator): Promise<Graph | undefined> {
  const described = structuresOf(net.get("layers"));
  const isGraph = described.some((fields) => fields.has("block"));
  const all = isGraph ? graphLayers(described, net) : simpleLayers(described);
  const layers = all.filter(({ type }) => !LOSSES.test(type));
  if (layers.length === 0) return undefined;
  const made = new Set(layers.flatMap(({ outputs }) => outputs));
  const taken = new Set(layers.flatMap(({ inputs }) => inputs));
  const nodes: GraphNode[] = [];
  for (const name of taken) {
    if (!made.has(name)) nodes.push({ name, inputs: [], output: name, operator: input });
  }
  for (const layer of layers) {
    const { name, inputs, outputs } = layer;
    const operator = await operatorOf(layer);
    for (const output of outputs) nodes.push({ name, inputs, output, operator });
  }
  return { nodes, outputs: [...made].filter((name) => !taken.has(name)) };
}

/** SimpleNN: each layer takes what the one before it gives. */
function simpleLayers(layers: readonly MatFields[]): Layer[] {
  return layers.map((fields, index) => {
    const type = textOf(fields.get("type")) ?? "layer without a type";
    // What the first versions of MatConvNet wrote.
    const old = [fields.get("filters"), fields.get("biases")];
    return {
      name: textOf(fields.get("name")) || `${type}${index + 1}`,
      type,
      fields,
      weights: fields.has("filters") ? old : itemsOf(fields.get("weights")),
      inputs: [`x${index}`],
      outputs: [`x${index + 1}`],
    };
  });
}

/** DagNN: layers name the variables that they take and give, and their parameters. */
function graphLayers(layers: readonly MatFields[], net: MatFields): Layer[] {
  const parameters = new Map(
    structuresOf(net.get("params")).map((fields) => [
      textOf(fields.get("name")),
      fields.get("value"),
    ]),
  );
  return layers.map((fields) => ({
    name: textOf(fields.get("name")) ?? "",
    type: (textOf(fields.get("type")) ?? "layer without a type").replace(/^dagnn\./, "")
      .toLowerCase(),
    fields: fieldsOf(fields.get("block")),
    weights: textsOf(fields.get("params")).map((name) => parameters.get(name)),
    inputs: textsOf(fields.get("inputs")),
    outputs: textsOf(fields.get("outputs")),
  }));
}

async function operatorOf({ name, type, fields, weights }: Layer): Promise<Operator> {
  const numbers = (field: string): Promise<number[]> => numbersOf(fields.get(field));
  const pair = async (field: string): Promise<Pair> => {
    const [vertical = 1, horizontal = vertical] = await numbers(field);
    return [vertical, horizontal];
  };
  switch (type) {
    case "conv": {
      const filter = tensorOf(weights[0]);
      if (filter === undefined || filter.shape.length > 4) {
        return { kind: "unsupported", type, because: "it has no filter" };
      }
      return {
        kind: "conv",
        weight: filterOf(filter, `${name}.weight`),
        bias: vectorOf(tensorOf(weights[1]), `${name}.bias`),
        stride: await pair("stride"),
        padding: paddingOf(await numbers("pad")),
        dilation: await pair("dilate"),
        groups: 1,
        layout: "NCHW",
      };
    }
    case "pool":
    case "pooling": {
      const method = textOf(fields.get("method")) ?? "max";
      if (method !== "max" && method !== "avg") {
        return { kind: "unsupported", type, because: `its method is ${method}` };
      }
      return {
        kind: method === "max" ? "maxPool" : "averagePool",
        window: await pair(type === "pool" ? "pool" : "poolSize"),
        stride: await pair("stride"),
        padding: paddingOf(await numbers("pad")),
        roundsUp: false,
        layout: "NCHW",
      };
    }
    case "relu": {
      const [leak = 0] = await numbers("leak");
      const because = `its leak is ${leak}`;
      return leak === 0 ? { kind: "relu" } : { kind: "unsupported", type, because };
    }
    case "bnorm":
    case "batchnorm":
      return batchNorm(name, weights);
    case "softmax":
    case "softmaxloss":
      return { kind: "softmax" };
    case "sigmoid":
      return { kind: "sigmoid" };
    case "dropout":
      return { kind: "identity" };
    default:
      return { kind: "unsupported", type };
  }
}

function paddingOf(pad: readonly number[]): Padding {
  const [top = 0, bottom = top, left = top, right = top] = pad;
  return [top, left, bottom, right];
}

/** A vector, however MATLAB has it: as a row, a column or a map of one place. */
function vectorOf(tensor: CheckpointTensor | undefined, name: string) {
  return tensor && { ...tensor, name, shape: [sizeOf(tensor.shape)] };
}

/**
 * A filter `[O, I, H, W]`. MATLAB has `[H, W, I, O]` with its columns first, so that `[O, I, W, H]` is in the
 * file, and drops trailing axes of one element.
 */
function filterOf(tensor: CheckpointTensor, name: string): CheckpointTensor {
  const missing = Array<number>(Math.max(0, 4 - tensor.shape.length)).fill(1);
  const sizes = [...missing, ...tensor.shape] as [number, number, number, number];
  const [outputs, inputs, width, height] = sizes;
  const named = { ...tensor, name, shape: [outputs, inputs, height, width] };
  if (width === 1 || height === 1) return named;
  const plane = width * height;
  return {
    ...named,
    async read({ start, length, stride, count }, into): Promise<void> {
      for (let run = 0; run < count; run++) {
        const begin = start + run * stride, end = begin + length;
        const first = Math.floor(begin / plane) * plane, last = Math.ceil(end / plane) * plane;
        const whole = new Float32Array(last - first);
        await tensor.read({ start: first, length: whole.length, stride: 0, count: 1 }, whole);
        for (let i = begin; i < end; i++) {
          const place = i % plane, y = Math.floor(place / width), x = place % width;
          into[run * length + i - begin] = whole[i - place - first + x * height + y]!;
        }
      }
    },
  };
}

/** Its third parameter has the means in one column, and in the other what they are divided by. */
function batchNorm(
  name: string,
  [gamma, beta, moments]: readonly (MatValue | undefined)[],
): Operator {
  const both = tensorOf(moments);
  if (both === undefined) {
    return { kind: "unsupported", type: "bnorm", because: "it has no moments" };
  }
  const channels = sizeOf(both.shape) / 2;
  const column = (index: number, part: string): CheckpointTensor => ({
    ...both,
    name: `${name}.${part}`,
    shape: [channels],
    read: ({ start, ...runs }, into) =>
      both.read({ start: start + index * channels, ...runs }, into),
  });
  return {
    kind: "batchNorm",
    gamma: vectorOf(tensorOf(gamma), `${name}.gamma`),
    beta: vectorOf(tensorOf(beta), `${name}.beta`),
    mean: column(0, "mean"),
    variance: mappedTensor(column(1, "deviation"), (deviation) => deviation ** 2),
    epsilon: 0,
  };
}
