/**
 * The layers of a `.caffemodel` file, in the newer format and in the one before (V1), under today's names.
 *
 * @see {@link https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto}
 */

import type { ByteSource } from "../../../io/byte_source.ts";
import type { ProtoRange } from "../protobuf.ts";
import { Message } from "./message.ts";

/** One layer. */
export interface CaffeLayer {
  readonly name: string;
  /** `Convolution`, `InnerProduct`. */
  readonly type: string;
  /** Values that it takes, by their names. */
  readonly bottoms: readonly string[];
  /** Values that it gives; one of a name that there is already takes its place. */
  readonly tops: readonly string[];
  readonly begin: number;
  readonly blobs: readonly ProtoRange[];
  /** What it does, in the message of this name; with all its defaults if there is none. */
  parameter(name: ParameterName): Promise<Message>;
}

/** Messages of parameters: their fields in `V1LayerParameter`, 0 for none, and in `LayerParameter`. */
const PARAMETERS = {
  transform: [36, 100],
  convolution: [10, 106],
  data: [11, 107],
  dummyData: [26, 109],
  imageData: [15, 115],
  innerProduct: [17, 117],
  memoryData: [22, 119],
  pooling: [19, 121],
  power: [21, 122],
  relu: [30, 123],
  softmax: [39, 125],
  reshape: [0, 133],
  batchNorm: [0, 139],
  bias: [0, 141],
  scale: [0, 142],
  input: [0, 143],
} as const;
type ParameterName = keyof typeof PARAMETERS;

/** The two kinds of layers, by their field in `NetParameter`. */
export const LAYER_FIELDS: readonly number[] = [2, 100];
const V1 = 2;
const FIELDS = {
  v1: { name: 4, type: 5, bottoms: 2, tops: 3, blobs: 6, index: 0 },
  new: { name: 1, type: 2, bottoms: 3, tops: 4, blobs: 7, index: 1 },
} as const;

/** `V1LayerParameter.LayerType`, by its numbers. */
const V1_TYPES: readonly string[] = (
  "None Accuracy BNLL Concat Convolution Data Dropout EuclideanLoss Flatten HDF5Data HDF5Output Im2col ImageData " +
  "InfogainLoss InnerProduct LRN MultinomialLogisticLoss Pooling ReLU Sigmoid Softmax SoftmaxWithLoss Split TanH " +
  "WindowData Eltwise Power SigmoidCrossEntropyLoss HingeLoss MemoryData ArgMax Threshold DummyData Slice MVN " +
  "AbsVal Silence ContrastiveLoss Exp Deconvolution"
).split(" ");

/** Reads a layer of `NetParameter`. */
export async function readLayer(source: ByteSource, range: ProtoRange): Promise<CaffeLayer> {
  const isV1 = range.number === V1, fields = isV1 ? FIELDS.v1 : FIELDS.new;
  const message = await Message.read(source, [range]);
  const number = message.number(fields.type, 0);
  const [name = ""] = await message.texts(fields.name);
  const [type = ""] = isV1
    ? [V1_TYPES[number] ?? `number ${number}`]
    : await message.texts(fields.type);
  return {
    name,
    type,
    bottoms: await message.texts(fields.bottoms),
    tops: await message.texts(fields.tops),
    begin: range.begin,
    blobs: message.ranges(fields.blobs),
    parameter: (name) => message.message(PARAMETERS[name][fields.index]),
  };
}
