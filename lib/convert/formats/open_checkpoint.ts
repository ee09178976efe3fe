/** Tells the format of a checkpoint from its contents, and opens it. */

import { CheckpointFormatError } from "../../errors.ts";
import type { ByteSource } from "../../io/byte_source.ts";
import type { Checkpoint, OldCheckpoint, OpenOptions } from "./checkpoint.ts";
import { Cursor } from "./cursor.ts";
import { readVarint } from "./protobuf.ts";
import { WHEN_NEEDED } from "../../platform.ts";
import { readSafetensors } from "./safetensors/read.ts";

/** What the first bytes tell; a zip archive may be PyTorch's or numpy's. */
type SniffedFormat = "safetensors" | "zip" | "pytorch" | "hdf5" | "npy" | "tfjs" | "onnx" | "caffe";

/**
 * Tells the format from the first bytes.
 *
 * @throws {CheckpointFormatError} If it is none that is read.
 */
async function sniffCheckpointFormat(source: ByteSource): Promise<SniffedFormat> {
  const head = new Uint8Array(Math.min(16, source.size ?? 16));
  await source.read(0, head);
  const view = new DataView(head.buffer);
  const text = String.fromCharCode(...head);
  if (text.startsWith("PK\x03\x04") || text.startsWith("PK\x05\x06")) return "zip";
  if (text.startsWith("\x89HDF\r\n\x1a\n")) return "hdf5";
  if (text.startsWith("\x93NUMPY")) return "npy";
  // A pickle of protocol 2 that begins with a number of ten bytes: PyTorch's own.
  if (text.startsWith("\x80\x02\x8a\x0a")) return "pytorch";
  // Eight bytes of length, then a JSON object.
  if (head.length > 9 && view.getUint32(4, true) === 0 && /^\{["}\s]/.test(text.slice(8))) {
    return "safetensors";
  }
  if (/^(\xef\xbb\xbf)?\s*\{/.test(text)) return "tfjs";
  return await sniffProtobuf(source);
}

/**
 * ONNX begins with its version, a small number in field 1; Caffe with the network's name, text in
 * field 1, or with a layer, field 2 or 100.
 */
async function sniffProtobuf(source: ByteSource): Promise<"onnx" | "caffe"> {
  const size = source.size ?? 0;
  if (size > 16) {
    const cursor = new Cursor(source, 0, size);
    const tag = await readVarint(cursor);
    if (tag === 8 && await readVarint(cursor) < 100) return "onnx";
    const isLayer = tag === 100 * 8 + 2 || tag === 2 * 8 + 2;
    if ((tag === 10 || isLayer) && await readVarint(cursor) < size) return "caffe";
  }
  throw new CheckpointFormatError(
    `${source.name} is of no format that is read: expected PyTorch (.pth), safetensors, Keras (HDF5), numpy (.npy, .npz), Caffe, ONNX or TensorFlow.js (model.json)`,
    { code: "checkpoint-unsupported", file: source.name, offset: 0 },
  );
}

/**
 * Opens a checkpoint. `source` must stay open while it is read.
 *
 * @throws {CheckpointFormatError} If it is damaged, or of no format that is read.
 */
export async function openCheckpoint(
  source: ByteSource,
  { openSibling }: OpenOptions,
): Promise<Checkpoint | OldCheckpoint> {
  switch (await sniffCheckpointFormat(source)) {
    case "safetensors":
      return await readSafetensors(source);
    case "zip":
      return await openZip(source);
    case "pytorch":
      return await (await import("./pytorch/read.ts")).readPytorchLegacy(source);
    case "hdf5":
      return await openKeras(source);
    case "npy":
      return await (await import("./numpy/read.ts")).readNpy(source);
    case "tfjs":
      return await (await import("./tfjs/read.ts")).readTfjs(source, openSibling);
    case "onnx":
      return await (await import("./onnx/read.ts")).readOnnx(source, openSibling);
    case "caffe":
      return await (await import("./caffe/read.ts")).readCaffe(source);
  }
}

/** PyTorch and numpy both write zip archives. */
async function openZip(source: ByteSource): Promise<Checkpoint | OldCheckpoint> {
  const { readZipDirectory } = await import("./zip.ts");
  const entries = await readZipDirectory(source);
  if (entries.some(({ name }) => /(^|\/)data\.pkl$/.test(name))) {
    return await (await import("./pytorch/read.ts")).readPytorchZip(source, entries);
  }
  if (entries.some(({ name }) => name.endsWith(".npy"))) {
    return await (await import("./numpy/read.ts")).readNpz(source, entries);
  }
  throw new CheckpointFormatError(
    `Expected PyTorch's data.pkl or numpy's .npy files in the zip archive ${source.name}: found ${
      entries.slice(0, 3).map(({ name }) => name).join(", ") || "nothing"
    }`,
    { code: "checkpoint-unsupported", file: source.name },
  );
}

async function openKeras(source: ByteSource): Promise<Checkpoint | OldCheckpoint> {
  const { readKeras }: typeof import("./keras/read.ts") = await import(
    `./keras/read${WHEN_NEEDED}.ts`
  );
  return await readKeras(source);
}
