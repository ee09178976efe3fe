/**
 * Reads Keras' files: whole models and weights in HDF5, as Keras 1 to 3 write them, and `.keras` archives.
 *
 * The container is read by the HDF5 C library, compiled to WebAssembly, on a thread of its own: it gets
 * ranges of this one file, and cannot reach anything else.
 */

import { Cleanup } from "../../../cleanup.ts";
import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Checkpoint, CheckpointTensor } from "../checkpoint.ts";
import type { Graph } from "../graph.ts";
import { Hdf5File } from "../hdf5/hdf5_file.ts";
import type { Hdf5Texts } from "../hdf5/hdf5_library.ts";
import { hdf5Tensor } from "../hdf5/hdf5_tensor.ts";
import { openEntry, type ZipEntry } from "../zip.ts";
import { buildGraph } from "./build_graph.ts";
import { DescriptionError, readDescription } from "./description.ts";
import { haveOutputsFirst, outputsFirst, saysTurned, turned } from "./theano.ts";
import { findWeights, type WeightFile } from "./weight_file.ts";

/** Keras' default for its batch normalization. */
const EPSILON = 1e-3;
/** Larger than the description of any model. */
const MAX_DESCRIPTION_BYTES = 16 << 20;

/** Nearly all of what was written then was made with Theano, as the files of the VGGs that people know. */
const BEFORE_KERAS_1 = { isTurned: true, because: "it is of a Keras before 1.0" } as const;

/** The entries of a `.keras` archive. */
export const KERAS_ENTRIES = { config: "config.json", weights: "model.weights.h5" } as const;

/** Opens an HDF5 file: a whole model, or weights. */
export async function readKeras(source: ByteSource): Promise<Checkpoint> {
  return await readHdf5(source, undefined);
}

/** Opens a `.keras` archive. */
export async function readKerasZip(
  source: ByteSource,
  entries: readonly ZipEntry[],
): Promise<Checkpoint> {
  const find = (wanted: string): ZipEntry => {
    const entry = entries.find(({ name }) => name === wanted);
    if (entry !== undefined) return entry;
    throw new CheckpointFormatError(
      `Expected ${wanted} in the Keras archive ${source.name}: found ${
        entries.slice(0, 5).map(({ name }) => name).join(", ")
      }`,
      { code: "checkpoint-unsupported", file: source.name },
    );
  };
  const config = find(KERAS_ENTRIES.config), weights = find(KERAS_ENTRIES.weights);
  if (config.size > MAX_DESCRIPTION_BYTES) {
    throw new CheckpointFormatError(
      `${config.name} of ${source.name} has ${config.size} bytes: expected at most ${MAX_DESCRIPTION_BYTES}`,
      { file: source.name },
    );
  }
  using opened = new Cleanup();
  const text = await openEntry(source, config, opened);
  const bytes = new Uint8Array(config.size);
  await text.bytes.read(text.begin, bytes);
  const placed = await openEntry(source, weights, opened);
  const part: ByteSource = {
    name: source.name,
    size: weights.size,
    read: (offset, into) => placed.bytes.read(placed.begin + offset, into),
    close: () => {},
  };
  const checkpoint = await readHdf5(part, new TextDecoder().decode(bytes));
  const held = opened.move();
  return {
    ...checkpoint,
    close: () => {
      checkpoint.close();
      held.dispose();
    },
  };
}

async function readHdf5(source: ByteSource, config: string | undefined): Promise<Checkpoint> {
  const file = await Hdf5File.open(source, {
    attributes: ["layer_names", "weight_names", "model_config", "backend", "keras_version"],
  });
  using opened = new Cleanup();
  opened.defer(() => file.close());
  const { contents } = file;
  for (const name of ["model_config", "layer_names"]) {
    if (contents.skipped.includes(name)) throw notReadHere(source, name);
  }
  const texts = { ...contents.texts.get("/model_weights"), ...contents.texts.get("/") };
  const plain = findWeights(
    contents,
    (dataset, name) => hdf5Tensor(file, source, dataset, { name }),
  );
  if (plain === undefined) throw notKeras(source, contents.datasets.map(({ path }) => path));
  const { change, because } = kernelsOf(plain, texts, source.name);
  const weights = change === undefined ? plain : findWeights(
    contents,
    (dataset, name) => change(hdf5Tensor(file, source, dataset, { name })),
  )!;
  const description = config ?? texts.model_config;
  const graph = typeof description === "string"
    ? describedGraph(description, weights, source.name)
    : undefined;
  if (graph === undefined && weights.unknown !== undefined) {
    throw new CheckpointFormatError(
      `What the weights of ${weights.unknown} in ${source.name} are, weights alone do not tell: convert the whole model, ` +
        "as model.save writes it",
      { code: "checkpoint-unsupported", file: source.name },
    );
  }
  const held = opened.move();
  return {
    format: "Keras",
    tensors: weights.tensors,
    order: weights.order,
    layerNames: weights.layerNames,
    graph,
    images: { preprocessing: "caffe", isRead: false, because: `usual for Keras${because}` },
    epsilon: EPSILON,
    close: () => held.dispose(),
  };
}

/** `undefined` if the description is that of a class which is not in the file. */
function describedGraph(text: string, weights: WeightFile, file: string): Graph | undefined {
  try {
    const model = readDescription(JSON.parse(text));
    if (model === undefined || model.layers.length === 0) return undefined;
    const assigned = weights.assign(model);
    return buildGraph(model, (layer) => assigned.get(layer), file);
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof DescriptionError)) throw error;
    const message = `The description of the model in ${file} is damaged: ${error.message}`;
    throw new CheckpointFormatError(message, { file });
  }
}

/** How kernels have to be changed: those that Theano was used with lie in another order, or are turned. */
function kernelsOf(
  { tensors, isNumbered }: WeightFile,
  { backend, keras_version: version }: Hdf5Texts,
  file: string,
): { change?: (tensor: CheckpointTensor) => CheckpointTensor; because: string } {
  const kernels = tensors.filter(({ shape }) => shape.length === 4);
  const isFirst = haveOutputsFirst(kernels);
  const said = saysTurned(file, backend) ?? (isNumbered ? BEFORE_KERAS_1 : undefined);
  const isKeras1 = isFirst || (typeof version === "string" && version.startsWith("1."));
  if (isKeras1 && said === undefined) {
    throw new CheckpointFormatError(
      `${file} is of a Keras that ran on Theano or TensorFlow, whose kernels differ by half a turn, and it does not say ` +
        "which: rename it to end in _th_kernels.h5 for Theano, in _tf_kernels.h5 for TensorFlow",
      { code: "checkpoint-ambiguous", file },
    );
  }
  const isTurned = said?.isTurned === true;
  if (!isFirst && !isTurned) return { because: "" };
  return {
    change: (tensor) => {
      const placed = isFirst ? outputsFirst(tensor) : tensor;
      return isTurned ? turned(placed) : placed;
    },
    because: isTurned ? `; kernels are turned as Theano's, since ${said.because}` : "",
  };
}

/** Without the description a network that is no VGG could be taken for one. */
function notReadHere({ name }: ByteSource, attribute: string): CheckpointFormatError {
  return new CheckpointFormatError(
    `The attribute ${attribute} of ${name} is a text of any length, which is read on a thread alone: convert it where there ` +
      "are threads, with permission to read this package's files (--allow-read)",
    { code: "checkpoint-unsupported", file: name },
  );
}

function notKeras({ name }: ByteSource, paths: readonly string[]): CheckpointFormatError {
  return new CheckpointFormatError(
    `Expected the weights of Keras layers in the HDF5 file ${name}: found ${
      paths.slice(0, 3).join(", ") || "no datasets"
    }`,
    { code: "checkpoint-unsupported", file: name },
  );
}
