/** Tells the format of a checkpoint from its contents, and opens it. */

import { CheckpointFormatError } from "../../errors.ts";
import type { ByteSource } from "../../io/byte_source.ts";
import type { Checkpoint, OpenOptions } from "./checkpoint.ts";
import { type Head, readHead } from "./head.ts";
import { UNREAD, UNREAD_BY_NAME, type UnreadFormat } from "./unread.ts";

type Opening = Promise<Checkpoint>;

/** A format that is read. */
export interface Format {
  /** What a file of it is, with its article. */
  readonly what: string;
  /** Whether a file is of it, as far as its head tells; its reader finds out the rest. */
  is(head: Head): boolean;
  open(source: ByteSource, options: OpenOptions): Opening;
}

const HDF5_MARK = "\x89HDF\r\n\x1a\n";
/** What the name of a file with a TensorFlow checkpoint's tensors ends with. */
const SHARD = /\.data-\d{5}-of-\d{5}$/;

/** What is read, for people. */
export const FORMATS_READ =
  "PyTorch (.pth, .pt, .pt2, .bin, .ckpt), safetensors, Keras (.keras, .h5), TensorFlow (SavedModel, " +
  "checkpoint, frozen graph, .tflite), TensorFlow.js (model.json), ONNX, Caffe, numpy (.npy, .npz), " +
  "MatConvNet (.mat), Darknet (.weights with .cfg), Flax (.msgpack) or Paddle (.pdparams)";

/** In the order in which they are tried, after {@linkcode UNREAD}. */
export const FORMATS: readonly Format[] = [
  {
    what: "a part of a TensorFlow checkpoint",
    // Bytes of tensors alone.
    is: ({ name }) => SHARD.test(name),
    open: async (source, { openSibling, ...options }) => {
      const name = source.name.replace(/^.*[/\\]/s, "").replace(SHARD, ".index");
      const index = await openSibling(name);
      const checkpoint = await (await import("./tensorflow/read.ts"))
        .readTensorFlowCheckpoint(index, { ...options, openSibling });
      return { ...checkpoint, close: () => (checkpoint.close(), index.close()) };
    },
  },
  {
    what: "a TensorFlow checkpoint",
    is: ({ end }) => end === "\x57\xfb\x80\x8b\x24\x75\x47\xdb",
    open: async (source, options) =>
      (await import("./tensorflow/read.ts")).readTensorFlowCheckpoint(source, options),
  },
  {
    what: "a zip archive",
    is: ({ text }) => text.startsWith("PK\x03\x04") || text.startsWith("PK\x05\x06"),
    open: openZip,
  },
  {
    what: "a Caffe checkpoint",
    is: ({ text, name }) => text.startsWith(HDF5_MARK) && name.endsWith(".caffemodel.h5"),
    async open(source) {
      return await (await import("./caffe/hdf5.ts")).readCaffeHdf5(source);
    },
  },
  {
    what: "a Keras checkpoint",
    is: ({ text }) => text.startsWith(HDF5_MARK),
    open: openKeras,
  },
  {
    what: "a MATLAB file",
    is: ({ text }) => /^MATLAB [57]\.\d MAT-file/.test(text),
    open: async (source, options) => (await import("./matlab/read.ts")).readMatlab(source, options),
  },
  {
    what: "a NumPy array",
    is: ({ text }) => text.startsWith("\x93NUMPY"),
    open: async (source, { budget }) => (await import("./numpy/read.ts")).readNpy(source, budget),
  },
  {
    what: "a safetensors checkpoint",
    // Eight bytes of length, then a JSON object.
    is: ({ text }) => /^[^]{4}\0{4}\{["}\s]/.test(text),
    open: async (source) => (await import("./safetensors/read.ts")).readSafetensors(source),
  },
  {
    what: "a Darknet checkpoint",
    // Numbers alone: only its name tells.
    is: ({ name, text }) => name.endsWith(".weights") && !text.startsWith("\x80"),
    open: async (source, options) =>
      (await import("./darknet/read.ts")).readDarknet(source, options),
  },
  {
    what: "a PyTorch checkpoint",
    is: ({ text }) => isPickle(text),
    open: async (source, options) =>
      (await import("./pytorch/read.ts")).readPickled(source, options),
  },
  {
    what: "the list of a sharded checkpoint's files",
    is: ({ text }) => /^\s*\{/.test(text) && /"weight_map"\s*:/.test(text),
    open: async (source, options) =>
      (await import("./sharded.ts")).readSharded(source, options, openPart),
  },
  {
    what: "a Flax checkpoint",
    // Dictionaries have text as their keys.
    is: ({ text }) => /^([\x81-\x8f]|\xde..)[\xa0-\xbf\xd9]/s.test(text),
    open: async (source, { budget }) => (await import("./flax/read.ts")).readFlax(source, budget),
  },
  {
    what: "a TensorFlow.js model",
    is: ({ text }) => /^(\xef\xbb\xbf)?\s*\{/.test(text),
    open: async (source, options) => (await import("./tfjs/read.ts")).readTfjs(source, options),
  },
  {
    what: "a TensorFlow Lite model",
    is: ({ text }) => text.startsWith("TFL3", 4),
    open: async (source, { budget }) =>
      (await import("./tflite/read.ts")).readTflite(source, budget),
  },
  {
    what: "a TensorFlow SavedModel",
    // A version, and graphs.
    is: ({ fields }) => fields === "1:0 2:2 ",
    open: async (source, options) =>
      (await import("./tensorflow/read.ts")).readSavedModelFile(source, options),
  },
  {
    what: "a TensorFlow graph",
    // Nodes, each of which begins with its name.
    is: ({ text, fields }) =>
      fields.startsWith("1:2 ") && /^\n[\x80-\xff]{0,4}[\0-\x7f]\n/.test(text),
    open: async (source, { budget }) =>
      (await import("./tensorflow/read.ts")).readFrozenGraph(source, budget),
  },
  {
    what: "an ONNX model",
    // A version.
    is: ({ fields }) => fields.startsWith("1:0 "),
    open: async (source, { openSibling }) =>
      (await import("./onnx/read.ts")).readOnnx(source, openSibling),
  },
  {
    what: "a Caffe checkpoint",
    // A name, or none, and layers of the older or the newer kind.
    is: ({ fields }) => /^(1:2 .*)?(2|100):2 |^1:2 $/.test(fields),
    open: async (source) => (await import("./caffe/read.ts")).readCaffe(source),
  },
];

/** Begins with the number of a protocol, or with a dictionary, a list, a class or PyTorch's number. */
function isPickle(text: string): boolean {
  if (text.startsWith("\x80")) return "\x02\x03\x04\x05".includes(text[1] ?? " ");
  return /^(\(dp?\d|\(lp?\d|[}\]]q|c(__builtin__|builtins|_codecs|copy_reg|collections|numpy|torch)[\w.]*\n\w+\n|L119547037)/
    .test(text);
}

/**
 * Opens a checkpoint. `source` must stay open while it is read.
 *
 * @throws {CheckpointFormatError} If it is damaged, or of no format that is read.
 */
export async function openCheckpoint(source: ByteSource, options: OpenOptions): Opening {
  const head = await readHead(source);
  refuse(UNREAD, head);
  return await openAs(head, options);
}

/** Opens one of the files of a checkpoint, which alone would be refused. */
async function openPart(source: ByteSource, options: OpenOptions): Opening {
  return await openAs(await readHead(source), options);
}

async function openAs(head: Head, options: OpenOptions): Opening {
  const { source } = head;
  const format = FORMATS.find(({ is }) => is(head));
  if (format !== undefined) return await format.open(source, options);
  refuse(UNREAD_BY_NAME, head);
  throw refusal(
    source,
    `is of no format that is read: expected ${FORMATS_READ}`,
  );
}

function refuse(formats: readonly UnreadFormat[], head: Head): void {
  const found = formats.find(({ is }) => is(head));
  if (found !== undefined) throw refusal(head.source, `is ${found.what}: ${found.instead}`);
}

function refusal({ name }: ByteSource, what: string): CheckpointFormatError {
  const options = { code: "checkpoint-unsupported", file: name, offset: 0 } as const;
  return new CheckpointFormatError(`${name} ${what}`, options);
}

/** PyTorch and numpy both write zip archives; of a SavedModel people make one. */
async function openZip(source: ByteSource, options: OpenOptions): Opening {
  const { readZipDirectory } = await import("./zip.ts");
  const entries = await readZipDirectory(source, options.budget);
  if (entries.some(({ name }) => /(^|\/)saved_model\.pb$/.test(name))) {
    return await (await import("./tensorflow/read.ts")).readSavedModelZip(source, entries, options);
  }
  const { programOf, readExported } = await import("./pytorch/exported.ts");
  if (programOf(entries) !== undefined) return await readExported(source, entries, options);
  if (entries.some(({ name }) => /(^|\/)data\.pkl$/.test(name))) {
    return await (await import("./pytorch/read.ts")).readPytorchZip(source, entries, options);
  }
  if (entries.some(({ name }) => name.endsWith(".npy"))) {
    return await (await import("./numpy/read.ts")).readNpz(source, entries);
  }
  if (entries.some(({ name }) => /^(config\.json|model\.weights\.h5)$/.test(name))) {
    return await (await import("./keras/read.ts")).readKerasZip(source, entries);
  }
  const found = entries.slice(0, 3).map(({ name }) => name).join(", ") || "nothing";
  throw refusal(
    source,
    `is a zip archive without PyTorch's data.pkl and numpy's .npy files: found ${found}. If a checkpoint is in it, unpack it and give that`,
  );
}

async function openKeras(source: ByteSource): Opening {
  return await (await import("./keras/read.ts")).readKeras(source);
}
