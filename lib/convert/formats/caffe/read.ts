/**
 * Reads `.caffemodel` files with layers in the newer format and in the one before (V1), which the
 * weights of the paper's authors have.
 *
 * @see {@link https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import {
  type CheckpointTensor,
  type GraphLayer,
  type OldCheckpoint,
  OUTPUTS_FIRST,
  sizeOf,
} from "../checkpoint.ts";
import { type CaffeLayer, graphLayer, LAYER_FORMATS, readLayer } from "./layer.ts";
import { Cursor } from "../cursor.ts";
import { type ProtoRange, readFields, readIntegers, readMessage } from "../protobuf.ts";
import { rawTensor } from "../tensors.ts";

/** Opens a network. Layers are in the order in which they run. */
export async function readCaffe(source: ByteSource): Promise<OldCheckpoint> {
  const tensors: CheckpointTensor[] = [];
  const graph: GraphLayer[] = [];
  for await (const field of readFields(new Cursor(source, 0, source.size!))) {
    const format = LAYER_FORMATS[field.number];
    if (format === undefined || field.wire !== 2) continue;
    const layer = await readLayer(source, field, format);
    tensors.push(...await layerTensors(source, layer));
    const described = await graphLayer(source, layer);
    if (described !== undefined) graph.push(described);
  }
  if (tensors.length === 0) {
    throw new CheckpointFormatError(
      `Expected convolutions with weights in the Caffe network ${source.name}: found none`,
      { code: "checkpoint-unsupported", file: source.name },
    );
  }
  return {
    format: "Caffe",
    tensors,
    inGraphOrder: true,
    // Without any pool these are the weights of a network, not all of its layers.
    graph: graph.some(({ kind }) => kind !== "convolution") ? graph : undefined,
    preprocessing: "caffe",
    epsilon: 1e-5,
    close: () => {},
  };
}

async function layerTensors(
  source: ByteSource,
  { name, kind, begin, blobs }: CaffeLayer,
): Promise<CheckpointTensor[]> {
  if (blobs.length === 0) return [];
  if (kind !== "convolution" && kind !== "dense") {
    throw new CheckpointFormatError(
      `Layer ${name} of ${source.name} has weights, but is neither a convolution nor an inner product: no layer of a VGG`,
      { code: "checkpoint-unsupported", file: source.name, offset: begin },
    );
  }
  const tensors: CheckpointTensor[] = [];
  for (const [index, blob] of blobs.slice(0, 2).entries()) {
    const role = index === 0 ? "weight" : "bias";
    tensors.push(await readBlob(source, blob, `${name}.${role}`, kind === "dense" ? 2 : 4));
  }
  return tensors;
}

/** @param rank Dimensions of the layer's weights; older files write all blobs with four. */
async function readBlob(
  source: ByteSource,
  { begin, end }: ProtoRange,
  name: string,
  rank: 2 | 4,
): Promise<CheckpointTensor> {
  const old = [1, 1, 1, 1];
  let shape: number[] | undefined;
  const data: ProtoRange[] = [];
  let single: { first: number; count: number } | undefined;
  const cursor: Cursor = new Cursor(source, begin, end);
  for await (const field of readFields(cursor)) {
    if (field.wire === 0 && field.number <= 4) old[field.number - 1] = field.value;
    if (field.wire === 2 && field.number === 7) shape = await readShape(source, field);
    if (field.wire === 2 && field.number === 5) data.push(field);
    if (field.wire === 5 && field.number === 5) {
      single ??= { first: cursor.position - 4, count: 0 };
      single.count++;
    }
  }
  const packed = data.length === 1 ? data[0] : undefined;
  const count = single?.count ?? (packed === undefined ? 0 : (packed.end - packed.begin) / 4);
  const all = shape ?? old, expected = sizeOf(all);
  if (count !== expected) {
    throw new CheckpointFormatError(
      `Blob ${name} of ${source.name} must have ${expected} floats, as its shape [${all}] says: found ${count}`,
      { file: source.name, offset: begin },
    );
  }
  // Leading axes of one element are the old way to write fewer than four dimensions.
  const lead = all.length - (name.endsWith("bias") ? 1 : rank);
  const fits = lead >= 0 && all.slice(0, lead).every((size) => size === 1);
  const tensor = { name, shape: fits ? all.slice(lead) : all, layout: OUTPUTS_FIRST };
  return single === undefined
    ? rawTensor(source, tensor, "F32", packed?.begin ?? begin)
    : unpackedTensor(source, tensor, single.first, end);
}

async function readShape(source: ByteSource, range: ProtoRange): Promise<number[]> {
  const sizes: number[] = [];
  for await (const field of readMessage(source, range)) {
    if (field.number === 1) sizes.push(...await readIntegers(source, field));
  }
  return sizes;
}

/** Floats that are written one by one, each behind its one-byte tag. */
function unpackedTensor(
  source: ByteSource,
  tensor: Omit<CheckpointTensor, "read">,
  first: number,
  end: number,
): CheckpointTensor {
  if (first + 5 * sizeOf(tensor.shape) - 1 > end) {
    const message = `The floats of ${tensor.name} in ${source.name} are scattered`;
    throw new CheckpointFormatError(message, { file: source.name, offset: first });
  }
  return {
    ...tensor,
    async read({ start, length, stride, count }, into) {
      const bytes = new Uint8Array(5 * length - 1);
      const view = new DataView(bytes.buffer);
      for (let run = 0; run < count; run++) {
        await source.read(first + 5 * (start + run * stride), bytes);
        for (let i = 0; i < length; i++) into[run * length + i] = view.getFloat32(5 * i, true);
      }
    },
  };
}
