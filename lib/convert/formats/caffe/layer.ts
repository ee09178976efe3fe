/**
 * Parses the layers of `.caffemodel` files, in the newer format and in the one before (V1).
 *
 * @see {@link https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto}
 */

import type { ByteSource } from "../../../io/byte_source.ts";
import type { GraphLayer } from "../checkpoint.ts";
import { type ProtoRange, readIntegers, readMessage, readText } from "../protobuf.ts";

/** Field numbers of a layer. */
export interface LayerFormat {
  readonly name: number;
  readonly type: number;
  readonly blobs: number;
  readonly convolution: number;
  readonly pooling: number;
}

/** The two kinds of layers, by their field in `NetParameter`. */
export const LAYER_FORMATS: Readonly<Record<number, LayerFormat>> = {
  2: { name: 4, type: 5, blobs: 6, convolution: 10, pooling: 19 }, // V1LayerParameter
  100: { name: 1, type: 2, blobs: 7, convolution: 106, pooling: 121 }, // LayerParameter
};

/** What a layer does, as far as it matters here. */
export type Kind = "convolution" | "dense" | "pooling" | "other";

/** The layers that matter here, by the numbers of V1 and the names of today. */
const KINDS: ReadonlyMap<string, Kind> = new Map(Object.entries({
  "4": "convolution",
  Convolution: "convolution",
  "14": "dense",
  InnerProduct: "dense",
  "17": "pooling",
  Pooling: "pooling",
}));

/** Field numbers of what a convolution or a pool does: one number, or height and width. */
const WINDOW_FIELDS = {
  convolution: { window: [4, 11, 12], stride: [6, 13, 14], global: 0, start: 1 },
  pooling: { window: [2, 5, 6], stride: [3, 7, 8], global: 12, start: 0 },
};

/** `PoolingParameter.PoolMethod`; the third one, stochastic, is in no VGG. */
const POOL_METHODS = ["max", "average"] as const;

/** One layer: where its parts lie. */
export interface CaffeLayer {
  readonly name: string;
  readonly kind: Kind;
  readonly begin: number;
  readonly blobs: readonly ProtoRange[];
  /** `ConvolutionParameter` or `PoolingParameter`. */
  readonly parameter: ProtoRange | undefined;
}

/** Reads a layer's fields. */
export async function readLayer(
  source: ByteSource,
  range: ProtoRange,
  format: LayerFormat,
): Promise<CaffeLayer> {
  let name = "";
  let kind: Kind = "other";
  let parameter: ProtoRange | undefined;
  const blobs: ProtoRange[] = [];
  for await (const field of readMessage(source, range)) {
    if (field.number === format.type) {
      const type = field.wire === 2 ? await readText(source, field) : String(field.value);
      kind = KINDS.get(type) ?? "other";
    }
    if (field.wire !== 2) continue;
    if (field.number === format.blobs) blobs.push(field);
    if (field.number === format.name) name = await readText(source, field);
    if (field.number === format.convolution || field.number === format.pooling) parameter = field;
  }
  return { name, kind, begin: range.begin, blobs, parameter };
}

/** What a layer is in the graph; `undefined` if it is neither a convolution nor a pool. */
export async function graphLayer(
  source: ByteSource,
  { name, kind, parameter }: CaffeLayer,
): Promise<GraphLayer | undefined> {
  if (kind !== "convolution" && kind !== "pooling") return undefined;
  const { window, stride, global, start } = WINDOW_FIELDS[kind];
  const found = { window: [start, start], stride: [1, 1] };
  let method = 0, isGlobal = false;
  const put = (into: number[], fields: readonly number[], number: number, value: number): void => {
    if (number === fields[0]) into.fill(value);
    if (number === fields[1]) into[0] = value;
    if (number === fields[2]) into[1] = value;
  };
  for await (const field of parameter === undefined ? [] : readMessage(source, parameter)) {
    if (kind === "pooling" && field.number === 1 && field.wire === 0) method = field.value;
    if (field.number === global && field.wire === 0) isGlobal = field.value !== 0;
    const isWindow = [...window, ...stride].includes(field.number);
    if (!isWindow) continue;
    for (const value of await readIntegers(source, field)) {
      put(found.window, window, field.number, value);
      put(found.stride, stride, field.number, value);
    }
  }
  if (kind === "convolution") return { name, kind, ...found };
  const pool = POOL_METHODS[method] ?? "average";
  return { name, kind: isGlobal ? `global ${pool} pool` : `${pool} pool`, ...found };
}
