/**
 * Reads numpy's files: archives of arrays (`.npz`), and pickled dictionaries of them (`.npy`), such as
 * Frossard's `vgg16_weights.npz`, machrisaa's `vgg16.npy`, Chainer's and tensorpack's.
 */

import { Cleanup } from "../../../cleanup.ts";
import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import { type Checkpoint, OUTPUTS_LAST } from "../checkpoint.ts";
import { Cursor } from "../cursor.ts";
import { withLayouts } from "../layouts.ts";
import { readPickle } from "../pytorch/pickle.ts";
import { pickledText, type PickledValue } from "../pytorch/pickled.ts";
import { type StoredTensor, weightsOf } from "../stored.ts";
import { usualImages } from "../usual_images.ts";
import { openEntry, type ZipEntry } from "../zip.ts";
import { numpyTensor, readNpyHeader } from "./npy.ts";
import { arrayTensor, NUMPY, PickledArray } from "./vocabulary.ts";

/** Opens `.npy`: an array of one object, which is a dictionary of arrays, by their names or by layers. */
export async function readNpy(source: ByteSource, budget: Budget): Promise<Checkpoint> {
  const file = source.name;
  const expected = (found: string): CheckpointFormatError =>
    new CheckpointFormatError(
      `Expected a pickled dictionary of arrays in ${file}: found ${found}`,
      {
        code: "checkpoint-unsupported",
        file,
        offset: 0,
      },
    );
  const { descr, dataOffset } = await readNpyHeader(source, 0);
  if (!descr.endsWith("O")) throw expected(`one array of ${descr}`);
  const cursor = new Cursor(source, dataOffset, source.size!);
  const outer = await readPickle(cursor, NUMPY, budget);
  const values = outer instanceof PickledArray && Array.isArray(outer.data) ? outer.data : [outer];
  const [value] = values;
  if (values.length > 1 || Array.isArray(value)) {
    throw expected(
      "a list of them, whose names are missing. Save a dictionary of names and arrays",
    );
  }
  if (!(value instanceof Map)) throw expected("something else");
  const arrays = namedArrays(value, "").flatMap(([name, array]) =>
    arrayTensor(name, array, source, OUTPUTS_LAST) ?? []
  );
  return checkpointOf(arrays, file);
}

/** Dictionaries in dictionaries, as modules lie in modules. */
const MAX_DEPTH = 32;

/** Arrays by their names; those of a layer may be listed, `[weights, biases]`, or named in a dictionary. */
function namedArrays(value: PickledValue, path: string, depth = 0): [string, PickledArray][] {
  const named = (key: string, part: PickledValue): [string, PickledArray][] =>
    namedArrays(part, path === "" ? key : `${path}.${key}`, depth + 1);
  if (depth > MAX_DEPTH) return [];
  if (value instanceof Map) {
    return [...value].flatMap(([key, part]) => named(pickledText(key), part));
  }
  const parts = value instanceof PickledArray ? value.data : value;
  if (Array.isArray(parts) && parts.length <= 2) {
    return parts.flatMap((part, index) => named(index === 0 ? "weights" : "biases", part));
  }
  return value instanceof PickledArray ? [[path, value]] : [];
}

/** Opens `.npz`: a zip archive of arrays, compressed or not. */
export async function readNpz(
  source: ByteSource,
  entries: readonly ZipEntry[],
): Promise<Checkpoint> {
  const found: StoredTensor[] = [];
  using opened = new Cleanup();
  for (const entry of entries) {
    if (!entry.name.endsWith(".npy")) continue;
    const { bytes, begin } = await openEntry(source, entry, opened);
    const header = await readNpyHeader(bytes, begin);
    const place = { ...header, name: entry.name.slice(0, -4), end: begin + entry.size };
    const tensor = numpyTensor(bytes, place, OUTPUTS_LAST);
    if (tensor !== undefined) found.push({ ...tensor, position: entry.headerOffset });
  }
  return checkpointOf(found, source.name, opened.move());
}

function checkpointOf(
  stored: readonly StoredTensor[],
  file: string,
  opened: Cleanup = new Cleanup(),
): Checkpoint {
  const tensors = withLayouts(weightsOf(stored, file), OUTPUTS_LAST);
  return {
    format: "numpy",
    tensors,
    order: "none",
    images: usualImages(tensors),
    epsilon: 1e-5,
    close: () => opened.dispose(),
  };
}
