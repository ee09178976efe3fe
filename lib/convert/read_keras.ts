/**
 * Reads Keras' HDF5 files: weights (`…_kernels.h5`), whole models, and Keras 3's `.weights.h5`.
 *
 * The container is read by the HDF5 C library, compiled to WebAssembly: it reads ranges through a file
 * system of one file, and cannot reach anything else.
 *
 * @module
 */

import { CheckpointFormatError } from "../errors.ts";
import type { ByteSource } from "../weights/byte_source.ts";
import {
  type Checkpoint,
  type CheckpointTensor,
  OUTPUTS_LAST,
  type Runs,
  sizeOf,
} from "./checkpoint.ts";
import { Hdf5File } from "./hdf5_file.ts";

/** Keras' default for its batch normalisation. */
const EPSILON = 1e-3;

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

/** Opens a file. Only sources that answer at once can be read: files and bytes, not URLs. */
export async function readKeras(source: ByteSource): Promise<Checkpoint> {
  const file = await Hdf5File.open(source);
  try {
    const root = file.has("/model_weights") ? "/model_weights" : "/";
    const datasets = file.datasets(root);
    const order = file.strings(root, "layer_names");
    const tensors = datasets.flatMap((path) => {
      const parts = path.slice(root.length).split("/").filter((part) => part !== "");
      const name = parts.includes("vars") ? numberedName(path, parts, datasets) : namedPart(parts);
      return name === undefined ? [] : [makeTensor(file, path, name)];
    });
    const rank = (name: string): number => order.indexOf(name.split(".")[0]);
    return {
      format: "Keras",
      tensors: order.length === 0
        ? tensors
        : tensors.toSorted((a, b) => rank(a.name) - rank(b.name)),
      inGraphOrder: order.length > 0,
      preprocessing: "caffe",
      epsilon: await normEpsilon(source),
      close(): void {
        file.close();
      },
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** `block1_conv1/block1_conv1/kernel:0` is the kernel of `block1_conv1`. */
function namedPart(parts: readonly string[]): string | undefined {
  const role = ROLES.find(([pattern]) => pattern.test(parts.at(-1)!))?.[1];
  return role === undefined ? undefined : `${parts[0]}.${role}`;
}

/** `layers/conv2d_1/vars/0` is the kernel of `conv2d_1`, as two tensors are none of a normalisation. */
function numberedName(
  path: string,
  parts: readonly string[],
  datasets: readonly string[],
): string | undefined {
  const vars = parts.indexOf("vars");
  const siblings = datasets.filter((other) =>
    other.startsWith(path.slice(0, path.lastIndexOf("/") + 1))
  );
  const roles = siblings.length > 2 ? NUMBERED.norm : NUMBERED.weights;
  const role = roles[Number(parts[vars + 1])];
  return role === undefined || parts.includes("optimizer")
    ? undefined
    : `${parts.slice(0, vars).join("/")}.${role}`;
}

function makeTensor(file: Hdf5File, path: string, name: string): CheckpointTensor {
  const { shape, floatBytes } = file.describe(path);
  if (floatBytes === 0 || !shape.every((size) => size > 0)) {
    throw new CheckpointFormatError(
      `Dataset ${path} of ${file.name} must have floats: found shape [${shape}] of other elements`,
      { file: file.name },
    );
  }
  return {
    name,
    shape,
    layout: OUTPUTS_LAST,
    read(runs: Runs, into: Float32Array): void {
      file.read(
        path,
        shape.length === 1 || runs.count === 1 ? whole(runs, shape) : columns(runs, shape),
        into,
      );
    },
  };
}

/** A range of each axis. */
type Box = (readonly [begin: number, end: number])[];

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

/** Keras writes the description of a whole model before its weights; so much is searched for it. */
const DESCRIPTION_BYTES = 4 << 20;

/**
 * What batch normalisation adds to the variance, from the description of a whole model.
 *
 * Its text lies in a heap, whose damage can send the HDF5 library round in circles, so it is looked for
 * in the file itself.
 */
async function normEpsilon(source: ByteSource): Promise<number> {
  const head = new Uint8Array(Math.min(source.size!, DESCRIPTION_BYTES));
  await source.read(0, head);
  const text = new TextDecoder("latin1").decode(head);
  const found = /"BatchNormalization"[^]{0,2000}?"epsilon": ?(\d[\d.e-]*)/.exec(text);
  const epsilon = Number(found?.[1]);
  return epsilon > 0 && epsilon < 1 ? epsilon : EPSILON;
}
