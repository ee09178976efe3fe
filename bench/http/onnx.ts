/**
 * The served model as a float32 ONNX file, for the peer: `onnx.ts OUT.onnx`.
 *
 * Input `pixels` `[N, 3, 32, 32]`, normalized; output `logits` `[N, 10]`. Weights are the int8 ones
 * times their scales. An ONNX file is one protobuf message (onnx.proto3); field numbers are named
 * below.
 *
 * @module
 */

import { layersOf } from "../../lib/model/architecture.ts";
import type { Model } from "../../lib/model/model.ts";
import { resolveModel } from "../../lib/open_model.ts";
import { MODEL } from "./servers.ts";

const FLOAT = 1, INT64 = 7;
type Parts = readonly Uint8Array[];

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push(value % 128 | 128);
  return Uint8Array.from([...bytes, value]);
}
const int = (field: number, value: number): Parts => [varint(field << 3), varint(value)];
const nested = (field: number, parts: Parts): Parts => [
  varint(field << 3 | 2),
  varint(parts.reduce((sum, part) => sum + part.length, 0)),
  ...parts,
];
const text = (field: number, value: string): Parts =>
  nested(field, [new TextEncoder().encode(value)]);

/** TensorProto: dims 1, data_type 2, name 8, raw_data 9. */
function tensor(name: string, dims: readonly number[], data: Float32Array | BigInt64Array): Parts {
  const raw = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  return [
    ...dims.flatMap((dim) => int(1, dim)),
    ...int(2, data instanceof Float32Array ? FLOAT : INT64),
    ...text(8, name),
    ...nested(9, [raw]),
  ];
}

/**
 * NodeProto: input 1, output 2, op_type 4, attribute 5; AttributeProto: name 1, ints 8, type 20.
 */
function node(
  type: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, readonly number[]>> = {},
): Parts {
  return [
    ...inputs.flatMap((name) => text(1, name)),
    ...text(2, output),
    ...text(4, type),
    ...Object.entries(attributes).flatMap(([name, values]) =>
      nested(5, [...text(1, name), ...values.flatMap((v) => int(8, v)), ...int(20, 7)])
    ),
  ];
}

/**
 * ValueInfoProto: name 1, type 2; its tensor_type 1: elem_type 1, shape 2 of dim 1 of dim_value 1
 * or dim_param 2.
 */
function value(name: string, dims: readonly (number | string)[]): Parts {
  const shape = dims.flatMap((dim) =>
    nested(1, typeof dim === "number" ? int(1, dim) : text(2, dim))
  );
  return [...text(1, name), ...nested(2, nested(1, [...int(1, FLOAT), ...nested(2, shape)]))];
}

/** `[O, H, W, I]` int8 -> `[O, I, H, W]` float32, scaled. */
async function floatWeights(model: Model): Promise<Map<string, Float32Array>> {
  const layers = new Map(layersOf(model.architecture).map((layer) => [layer.name, layer]));
  const scales = new Map(model.parameters.map(({ name, scale }) => [name, scale]));
  const weights = new Map<string, Float32Array>();
  for await (const { layer: name, first, count, data } of model.weights()) {
    const { filterSize: [height, width], inChannels, outChannels } = layers.get(name)!;
    const size = height * width * inChannels;
    const out = weights.get(name) ?? new Float32Array(outChannels * size);
    weights.set(name, out);
    for (let o = 0; o < count; o++) {
      const scale = scales.get(name)![first + o];
      for (let p = 0; p < height * width; p++) {
        for (let i = 0; i < inChannels; i++) {
          out[(first + o) * size + i * height * width + p] = data[o * size + p * inChannels + i] *
            scale;
        }
      }
    }
  }
  return weights;
}

/** The model as an ONNX file. A dense layer is a convolution over its whole input. */
export async function toOnnx(model: Model): Promise<Uint8Array> {
  const weights = await floatWeights(model);
  const nodes: Parts[] = [], initializers: Parts[] = [];
  let x = "pixels";
  for (
    const { name, filterSize, padding, inChannels, outChannels, relu, pool } of layersOf(
      model.architecture,
    )
  ) {
    const { bias } = model.parameters.find((parameters) => parameters.name === name)!;
    initializers.push(
      tensor(`${name}.weight`, [outChannels, inChannels, ...filterSize], weights.get(name)!),
      tensor(`${name}.bias`, [outChannels], bias),
    );
    const attributes = { kernel_shape: filterSize, pads: [padding, padding, padding, padding] };
    nodes.push(node("Conv", [x, `${name}.weight`, `${name}.bias`], `${name}.sum`, attributes));
    x = `${name}.sum`;
    if (relu) nodes.push(node("Relu", [x], x = name));
    if (pool) {
      nodes.push(node("MaxPool", [x], pool, { kernel_shape: [2, 2], strides: [2, 2] }));
      x = pool;
    }
  }
  initializers.push(tensor("shape", [2], BigInt64Array.of(-1n, BigInt(model.labels.length))));
  nodes.push(node("Reshape", [x, "shape"], "logits"));
  const { channels, height, width } = model.architecture.input;
  // GraphProto: node 1, name 2, initializer 5, input 11, output 12.
  const graph: Parts = [
    ...nodes.flatMap((parts) => nested(1, parts)),
    ...text(2, model.id),
    ...initializers.flatMap((parts) => nested(5, parts)),
    ...nested(11, value("pixels", ["N", channels, height, width])),
    ...nested(12, value("logits", ["N", model.labels.length])),
  ];
  // ModelProto: ir_version 1, graph 7, opset_import 8 of version 2.
  const parts = [...int(1, 8), ...nested(7, graph), ...nested(8, int(2, 13))];
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

if (import.meta.main) {
  await Deno.writeFile(Deno.args[0], await toOnnx(await resolveModel(MODEL)));
}
