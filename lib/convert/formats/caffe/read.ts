/**
 * Reads `.caffemodel` files with layers in the newer format and in the one before (V1), which the
 * weights of the paper's authors have.
 *
 * @see {@link https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Checkpoint, CheckpointTensor } from "../checkpoint.ts";
import { Cursor } from "../cursor.ts";
import type { Operator } from "../graph.ts";
import { readFields, readIntegers, readText } from "../protobuf.ts";
import { readBlob, readShape } from "./blob.ts";
import { inputOf, preparationIn } from "./data.ts";
import { graphOf } from "./graph.ts";
import { type CaffeLayer, LAYER_FIELDS, readLayer } from "./layer.ts";

/** Fields of `NetParameter`, beside the layers. */
const INPUT = 3, INPUT_DIMENSION = 4, INPUT_SHAPE = 8;
/** Dimensions of the weights of layers that a VGG has. */
const RANKS: Readonly<Record<string, number>> = { Convolution: 4, InnerProduct: 2 };

/** Opens a network. Layers are in the order in which they run. */
export async function readCaffe(source: ByteSource): Promise<Checkpoint> {
  const { layers, inputs } = await readNetwork(source);
  // Without any pool, or without the values between them, these are weights, not all layers of a network.
  const isNetwork = layers.some(({ type }) => type === "Pooling") &&
    layers.every(({ bottoms, tops }) => bottoms.length + tops.length > 0);
  const graph = isNetwork ? await graphOf(layers, inputs, source) : undefined;
  const tensors = isNetwork ? [] : await weightsOf(layers, source);
  const first =
    graph?.nodes.flatMap(({ operator }) => operator.kind === "conv" ? [operator.weight] : []) ??
      tensors;
  return {
    format: "Caffe",
    tensors,
    order: "declared",
    graph,
    images: await preparationIn(layers, first[0]?.shape[1] ?? 3),
    epsilon: 1e-5,
    close: () => {},
  };
}

async function readNetwork(
  source: ByteSource,
): Promise<{ layers: CaffeLayer[]; inputs: Map<string, Operator> }> {
  const layers: CaffeLayer[] = [];
  const names: string[] = [], dimensions: number[] = [], shapes: number[][] = [];
  for await (const field of readFields(new Cursor(source, 0, source.size!))) {
    if (field.number === INPUT_DIMENSION) dimensions.push(...await readIntegers(source, field));
    if (field.wire !== 2) continue;
    if (LAYER_FIELDS.includes(field.number)) layers.push(await readLayer(source, field));
    if (field.number === INPUT) names.push(await readText(source, field));
    if (field.number === INPUT_SHAPE) shapes.push(await readShape(source, field));
  }
  const shapeOf = (index: number): readonly number[] =>
    shapes[index] ?? dimensions.slice(4 * index, 4 * index + 4);
  return { layers, inputs: new Map(names.map((name, index) => [name, inputOf(shapeOf(index))])) };
}

/**
 * The weights of all layers.
 *
 * @throws {CheckpointFormatError} If there are none, or others than a VGG's.
 */
async function weightsOf(
  layers: readonly CaffeLayer[],
  source: ByteSource,
): Promise<CheckpointTensor[]> {
  const { name: file } = source;
  const tensors: CheckpointTensor[] = [];
  for (const { name, type, begin, blobs } of layers) {
    if (blobs.length === 0) continue;
    if (!Object.hasOwn(RANKS, type)) {
      throw new CheckpointFormatError(
        `Layer ${name} of ${file} has weights, but is neither a convolution nor an inner product: no layer of a VGG`,
        { code: "checkpoint-unsupported", file, offset: begin },
      );
    }
    tensors.push(await readBlob(source, blobs[0]!, `${name}.weight`, RANKS[type]!));
    if (blobs[1] !== undefined) {
      tensors.push(await readBlob(source, blobs[1], `${name}.bias`, 1));
    }
  }
  if (tensors.length > 0) return tensors;
  throw new CheckpointFormatError(
    `Expected convolutions with weights in the Caffe network ${file}: found none`,
    { code: "checkpoint-unsupported", file },
  );
}
