/** What numpy writes into pickles, its own and those of others. */

import type { ByteSource } from "../../../io/byte_source.ts";
import { isSizes } from "../../../model/json.ts";
import type { WeightLayout } from "../checkpoint.ts";
import type { StoredTensor } from "../stored.ts";
import type { PickleVocabulary } from "../pytorch/pickle.ts";
import { PickledBytes, pickledText, type PickledValue } from "../pytorch/pickled.ts";
import { placeOf } from "../pytorch/pickled_bytes.ts";
import { numpyTensor } from "./npy.ts";

/** An array as a pickle has it; its state comes after it is made. */
export class PickledArray {
  shape: number[] = [];
  /** Empty for one that is not read, such as of records. */
  descr = "";
  isFortran = false;
  /** Where the elements are; for an array of objects these themselves. */
  data: PickledBytes | PickledValue[] = [];
}

/** A dtype as a pickle has it, such as `f4`; its state says the byte order. */
class PickledDtype {
  order = "|";
  constructor(readonly name: string) {}
}

function fill(array: PickledArray, parts: (PickledValue | undefined)[]): PickledArray {
  const [shape, dtype, isFortran, data] = parts;
  const isData = data instanceof PickledBytes || Array.isArray(data);
  if (!isSizes(shape) || !(dtype instanceof PickledDtype) || !isData) return array;
  array.shape = shape;
  array.descr = dtype.order + dtype.name;
  array.isFortran = isFortran === true || isFortran === 1 || pickledText(isFortran) === "F";
  array.data = data;
  return array;
}

const reconstruct = (): PickledValue => new PickledArray();
// Protocol 5 passes the elements themselves.
const fromBuffer = (...[data, dtype, shape, order]: PickledValue[]): PickledValue =>
  fill(new PickledArray(), [shape, dtype, order, data]);

/** What numpy writes, by the names that its modules have had. */
export const NUMPY: PickleVocabulary = {
  functions: {
    "numpy.dtype": (name) => new PickledDtype(pickledText(name)),
    "numpy.core.multiarray._reconstruct": reconstruct,
    "numpy._core.multiarray._reconstruct": reconstruct,
    "numpy.core.numeric._frombuffer": fromBuffer,
    "numpy._core.numeric._frombuffer": fromBuffer,
  },
  setState(object, state) {
    if (!Array.isArray(state)) return;
    if (object instanceof PickledDtype) object.order = pickledText(state[1]);
    if (object instanceof PickledArray) fill(object, state.slice(1));
  },
};

/**
 * Makes a tensor of an array.
 *
 * @param source What the pickle was read from.
 * @returns `undefined` if its elements are no numbers.
 * @throws {CheckpointFormatError} If they do not fit.
 */
export function arrayTensor(
  name: string,
  { shape, descr, isFortran, data }: PickledArray,
  source: ByteSource,
  layout: WeightLayout,
): StoredTensor | undefined {
  if (Array.isArray(data)) return undefined;
  const { bytes, begin } = placeOf(data, source);
  const place = { name, descr, isFortran, shape, dataOffset: begin, end: begin + data.length };
  const tensor = numpyTensor(bytes, place, layout);
  return tensor && { ...tensor, position: data.offset };
}
