/**
 * Reads Keras' HDF5 files: weights (`…_kernels.h5`), whole models, and Keras 3's `.weights.h5`.
 *
 * The container is read by the HDF5 C library, compiled to WebAssembly, on a thread of its own: it gets
 * ranges of this one file, and cannot reach anything else.
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import {
  type CheckpointTensor,
  type OldCheckpoint,
  OUTPUTS_LAST,
  type Runs,
  sizeOf,
} from "../checkpoint.ts";
import { Hdf5File } from "../hdf5/hdf5_file.ts";
import type { Box, Hdf5Dataset } from "../hdf5/hdf5_library.ts";
import { parseKerasDescription } from "./config.ts";

/** Keras' default for its batch normalization. */
const EPSILON = 1e-3;

/** Deflate makes of one byte at most so many. @see {@link https://zlib.net/zlib_tech.html} */
const MAX_COMPRESSION = 1032;

/** Names of the tensors of a layer, by what they hold; older files say `block1_conv1_W_1:0`. */
const ROLES: readonly (readonly [pattern: RegExp, role: string])[] = [
  [/(kernel|_W)(_\d+)?(:0)?$/, "kernel"],
  [/(bias|_b)(_\d+)?(:0)?$/, "bias"],
  [/gamma(_\d+)?(:0)?$/, "gamma"],
  [/beta(_\d+)?(:0)?$/, "beta"],
  [/moving_mean(_\d+)?(:0)?$/, "moving_mean"],
  [/moving_variance(_\d+)?(:0)?$/, "moving_variance"],
];

/** Keras 3 numbers the tensors of a layer instead. */
const NUMBERED = {
  weights: ["kernel", "bias"],
  norm: ["gamma", "beta", "moving_mean", "moving_variance"],
};

/** Opens a file. */
export async function readKeras(source: ByteSource): Promise<OldCheckpoint> {
  const file = await Hdf5File.open(source, {
    attributes: ["layer_names", "model_config"],
  });
  using opened = new DisposableStack();
  opened.defer(() => file.close());
  const { groups, texts } = file.contents;
  const root = groups.includes("/model_weights") ? "/model_weights" : "/";
  const datasets = file.contents.datasets.filter(({ path }) => path.startsWith(root));
  const { layer_names, model_config } = { ...texts.get("/"), ...texts.get(root) };
  const order = Array.isArray(layer_names) ? layer_names : [];
  const { graph, epsilon = EPSILON } = typeof model_config === "string"
    ? parseKerasDescription(model_config)
    : {};
  const tensors = datasets.flatMap((dataset) => {
    const { path } = dataset;
    const parts = path.slice(root.length).split("/").filter((part) => part !== "");
    const name = parts.includes("vars") ? numberedName(path, parts, datasets) : namedPart(parts);
    return name === undefined ? [] : [makeTensor(file, source, dataset, name)];
  });
  const rank = (name: string): number => order.indexOf(name.split(".")[0]);
  const held = opened.move();
  return {
    format: "Keras",
    tensors: order.length === 0 ? tensors : tensors.toSorted((a, b) => rank(a.name) - rank(b.name)),
    inGraphOrder: order.length > 0,
    preprocessing: "caffe",
    graph,
    epsilon,
    close: () => held.dispose(),
  };
}

/** `block1_conv1/block1_conv1/kernel:0` is the kernel of `block1_conv1`. */
function namedPart(parts: readonly string[]): string | undefined {
  const role = ROLES.find(([pattern]) => pattern.test(parts.at(-1)!))?.[1];
  return role === undefined ? undefined : `${parts[0]}.${role}`;
}

/** `layers/conv2d_1/vars/0` is the kernel of `conv2d_1`, as two tensors are none of a normalization. */
function numberedName(
  path: string,
  parts: readonly string[],
  datasets: readonly Hdf5Dataset[],
): string | undefined {
  const vars = parts.indexOf("vars");
  const siblings = datasets.filter((other) =>
    other.path.startsWith(path.slice(0, path.lastIndexOf("/") + 1))
  );
  const roles = siblings.length > 2 ? NUMBERED.norm : NUMBERED.weights;
  const role = roles[Number(parts[vars + 1])];
  return role === undefined || parts.includes("optimizer")
    ? undefined
    : `${parts.slice(0, vars).join("/")}.${role}`;
}

function makeTensor(
  file: Hdf5File,
  source: ByteSource,
  { path, shape, kind, bytes: elementBytes }: Hdf5Dataset,
  name: string,
): CheckpointTensor {
  const bytes = sizeOf(shape) * elementBytes;
  if (bytes === 0 || kind !== "float" || !shape.every((size) => size > 0)) {
    throw new CheckpointFormatError(
      `Dataset ${path} of ${source.name} must have floats: found shape [${shape}] of other elements`,
      { code: "checkpoint-unsupported", file: source.name },
    );
  }
  if (!(bytes <= source.size! * MAX_COMPRESSION)) {
    throw new CheckpointFormatError(
      `Dataset ${path} of ${source.name} must fit in the file: found shape [${shape}], ${bytes} bytes`,
      { file: source.name },
    );
  }
  return {
    name,
    shape,
    layout: OUTPUTS_LAST,
    async read(runs: Runs, into: Float32Array): Promise<void> {
      const isWhole = shape.length === 1 || runs.count === 1;
      await file.read(path, isWhole ? whole(runs, shape) : columns(runs, shape), into);
    },
  };
}

/** Everything: what is asked for in one run is always the whole tensor. */
function whole({ length }: Runs, shape: readonly number[]): Box {
  if (length !== sizeOf(shape)) throw new RangeError(`A run of ${length} is not all of [${shape}]`);
  return shape.map((size) => [0, size]);
}

/** Some of the last axis, all of the others: runs of output channels. */
function columns({ start, length, stride }: Runs, shape: readonly number[]): Box {
  const last = shape.at(-1)!;
  if (stride !== last || start + length > last) {
    throw new RangeError("Runs must be output channels");
  }
  return shape.map((size, axis) => axis < shape.length - 1 ? [0, size] : [start, start + length]);
}
