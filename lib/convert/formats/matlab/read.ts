/**
 * Reads MatConvNet's networks: SimpleNN, a list of layers, and DagNN, a graph, in `.mat` files.
 *
 * @see {@link https://www.vlfeat.org/matconvnet/}
 */

import { Cleanup } from "../../../cleanup.ts";
import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import type { Checkpoint, ImageHint, OpenOptions } from "../checkpoint.ts";
import { readMat5 } from "./mat5.ts";
import { graphOf } from "./matconvnet.ts";
import { fieldsOf, type MatFields, numbersOf, textOf, textsOf } from "./value.ts";

/** Variables that a network can be in. */
const NAMES = ["net", "layers", "params", "vars", "meta", "normalization", "classes"];

/** What version 7.3 has behind its header. */
const HDF5_BEGIN = 512, HDF5_MARK = "\x89HDF\r\n\x1a\n";

/** Opens a `.mat` file. */
export async function readMatlab(
  source: ByteSource,
  { budget }: OpenOptions,
): Promise<Checkpoint> {
  using opened = new Cleanup();
  const variables = await readVariables(source, budget, opened);
  const net = variables.has("layers") ? variables : fieldsOf(variables.get("net"));
  // The first versions had no `meta`.
  const meta = net.has("meta") ? fieldsOf(net.get("meta")) : net;
  const normalization = fieldsOf(meta.get("normalization"));
  const size = await numbersOf(normalization.get("imageSize") ?? meta.get("inputSize"));
  const [height, width, channels = height === undefined ? undefined : 1] = size;
  const graph = await graphOf(net, { kind: "input", layout: "NCHW", height, width, channels });
  if (graph === undefined) {
    const found = [...variables.keys()].slice(0, 5).join(", ") || "nothing";
    throw new CheckpointFormatError(
      `Expected a network of MatConvNet in ${source.name}, the variables layers and meta, or net: found ${found}. ` +
        "Those of MATLAB's own toolbox can be written as ONNX, with exportONNXNetwork",
      { code: "checkpoint-unsupported", file: source.name },
    );
  }
  const labels = textsOf(fieldsOf(meta.get("classes")).get("description"));
  const held = opened.move();
  return {
    format: "MatConvNet",
    tensors: [],
    order: "declared",
    graph,
    images: await imagesOf(normalization, channels ?? 3),
    labels: labels.length === 0 ? undefined : labels,
    epsilon: 0,
    close: () => held.dispose(),
  };
}

async function readVariables(
  source: ByteSource,
  budget: Budget,
  opened: Cleanup,
): Promise<MatFields> {
  const mark = new Uint8Array(HDF5_MARK.length);
  if (source.size! >= HDF5_BEGIN + mark.length) await source.read(HDF5_BEGIN, mark);
  if (String.fromCharCode(...mark) !== HDF5_MARK) {
    return await readMat5(source, NAMES, budget, opened);
  }
  const { readMat73 } = await import("./mat73.ts");
  return await readMat73(source, budget, opened);
}

/** Pictures are as much larger than the input as `border` says, which is cut off. */
async function resizeOf(normalization: MatFields): Promise<ImageHint["resize"]> {
  const numbers = (field: string): Promise<number[]> => numbersOf(normalization.get(field));
  const [height] = await numbers("imageSize"), [border] = await numbers("border");
  const [keepsAspect = 1] = await numbers("keepAspect");
  const name = textOf(normalization.get("interpolation"));
  const filter = name === "bilinear" || name === "bicubic" ? { filter: name } as const : undefined;
  if (height === undefined || border === undefined) return filter;
  if (keepsAspect) return { resize: "shorter-side", size: Math.round(height + border), ...filter };
  return border === 0 ? { resize: "direct", ...filter } : filter;
}

/** Red, green, blue less `averageImage`: one color, or an image of one. */
async function imagesOf(normalization: MatFields, channels: number): Promise<ImageHint> {
  if (!normalization.has("averageImage")) {
    const because = "usual for MatConvNet";
    return { preprocessing: "caffe", colors: "rgb", isRead: false, because };
  }
  const values = await numbersOf(normalization.get("averageImage"));
  let furthest = 0;
  // One number for all colors, one for each, or a plane for each.
  const mean = Array.from({ length: channels }, (_, color) => {
    const begin = Math.floor(color * values.length / channels);
    const plane = values.slice(begin, Math.max(begin + 1, (color + 1) * values.length / channels));
    const middle = plane.reduce((sum, value) => sum + value, 0) / Math.max(1, plane.length);
    furthest = plane.reduce((most, value) => Math.max(most, Math.abs(value - middle)), furthest);
    return plane.every((value) => value === plane[0]) ? plane[0] ?? 0 : middle;
  });
  const color = mean.map((value) => value.toFixed(3)).join(", ");
  return {
    preprocessing: { scale: 1, mean, std: mean.map(() => 1) },
    colors: "rgb",
    resize: await resizeOf(normalization),
    isRead: true,
    because: "meta.normalization.averageImage",
    problem: furthest < 0.01
      ? undefined
      : `it is an image, up to ${furthest.toFixed(1)} off its mean color ${color}`,
  };
}
