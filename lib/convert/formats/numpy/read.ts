/**
 * Reads the VGG weights that circulate as numpy files: machrisaa's pickled dictionary (`vgg16.npy`)
 * and Frossard's archive (`vgg16_weights.npz`). Both are in TensorFlow's layout, for blue, green, red.
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { type CheckpointTensor, type OldCheckpoint, OUTPUTS_LAST } from "../checkpoint.ts";
import { Cursor } from "../cursor.ts";
import { numpyTensor, readNpyHeader } from "./npy.ts";
import { arrayTensor, NUMPY, PickledArray } from "./vocabulary.ts";
import type { Budget } from "../budget.ts";
import { readPickle } from "../pytorch/pickle.ts";
import { pickledText, type PickledValue } from "../pytorch/pickled.ts";
import { openEntry, type ZipEntry } from "../zip.ts";

/** Opens `.npy`: an array of one object, which is a dictionary of lists or dictionaries of arrays. */
export async function readNpy(source: ByteSource, budget: Budget): Promise<OldCheckpoint> {
  const { descr, dataOffset } = await readNpyHeader(source, 0);
  if (!descr.endsWith("O")) {
    throw new CheckpointFormatError(
      `Expected a pickled dictionary of arrays in ${source.name}: found one array of ${descr}`,
      { code: "checkpoint-unsupported", file: source.name, offset: 0 },
    );
  }
  const cursor = new Cursor(source, dataOffset, source.size!);
  const outer = await readPickle(cursor, NUMPY, budget);
  const value = outer instanceof PickledArray && Array.isArray(outer.data) ? outer.data[0] : outer;
  if (!(value instanceof Map)) {
    throw new CheckpointFormatError(
      `Expected a pickled dictionary of arrays in ${source.name}: found something else`,
      { code: "checkpoint-unsupported", file: source.name, offset: dataOffset },
    );
  }
  const arrays = [...value].flatMap(([layer, parts]) => namedParts(pickledText(layer), parts));
  return checkpointOf(
    arrays.flatMap(({ name, array }) => {
      const tensor = arrayTensor(name, array, source, OUTPUTS_LAST);
      return tensor === undefined ? [] : [{ tensor, begin: tensor.position! }];
    }),
  );
}

/** `[weights, biases]`, or a dictionary that names them. */
function namedParts(layer: string, parts: PickledValue): { name: string; array: PickledArray }[] {
  const entries: [string, PickledValue][] = parts instanceof Map
    ? [...parts].map(([role, array]) => [pickledText(role), array])
    : Array.isArray(parts)
    ? parts.map((array, index) => [index === 0 ? "weights" : "biases", array])
    : [];
  return entries.flatMap(([role, array]) =>
    array instanceof PickledArray ? [{ name: `${layer}.${role}`, array }] : []
  );
}

/** Opens `.npz`: a zip archive of arrays, compressed or not. */
export async function readNpz(
  source: ByteSource,
  entries: readonly ZipEntry[],
): Promise<OldCheckpoint> {
  const found: { tensor: CheckpointTensor; begin: number }[] = [];
  using opened = new DisposableStack();
  for (const entry of entries) {
    if (!entry.name.endsWith(".npy")) continue;
    const { bytes, begin } = await openEntry(source, entry, opened);
    const header = await readNpyHeader(bytes, begin);
    const place = { ...header, name: entry.name.slice(0, -4), end: begin + entry.size };
    const tensor = numpyTensor(bytes, place, OUTPUTS_LAST);
    if (tensor !== undefined) found.push({ tensor, begin: entry.headerOffset });
  }
  return checkpointOf(found, opened.move());
}

function checkpointOf(
  found: { tensor: CheckpointTensor; begin: number }[],
  opened: DisposableStack = new DisposableStack(),
): OldCheckpoint {
  return {
    format: "numpy",
    tensors: found.sort((a, b) => a.begin - b.begin).map(({ tensor }) => tensor),
    inGraphOrder: false,
    preprocessing: "caffe",
    epsilon: 1e-5,
    close: () => opened.dispose(),
  };
}
