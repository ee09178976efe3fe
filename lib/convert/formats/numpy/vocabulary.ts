/** What numpy writes into pickles, its own and those of others. */

import { CheckpointFormatError } from "../../../errors.ts";
import { isSizes } from "../../../model/json.ts";
import {
  PickledBytes,
  pickledText,
  type PickledValue,
  type PickleVocabulary,
} from "../pytorch/pickle.ts";

/** An array as a pickle has it; its state comes after it is made. */
export class PickledArray {
  shape: number[] = [];
  descr = "";
  isFortran = false;
  /** Where the elements are; for an array of objects these themselves. */
  data: PickledBytes | PickledValue[] = [];
}

/** A dtype as a pickle has it, such as `f4`; its state says the byte order. */
export class PickledDtype {
  order = "|";
  constructor(readonly name: string) {}
}

/** What numpy writes, by the names that its modules have had. */
export function vocabulary(file: string): PickleVocabulary {
  const fill = (array: PickledArray, parts: (PickledValue | undefined)[]): PickledArray => {
    const [shape, dtype, isFortran, data] = parts;
    const isData = data instanceof PickledBytes || Array.isArray(data);
    if (!isSizes(shape) || !(dtype instanceof PickledDtype) || !isData) {
      throw new CheckpointFormatError(
        `The pickle of ${file} is not valid: an array without shape, type or elements`,
        { file },
      );
    }
    array.shape = shape;
    array.descr = dtype.order + dtype.name;
    array.isFortran = isFortran === true || isFortran === 1 || isFortran === "F";
    array.data = data;
    return array;
  };
  const reconstruct = (): PickledValue => new PickledArray();
  // Protocol 5 passes the elements themselves.
  const fromBuffer = (...[data, dtype, shape, order]: PickledValue[]): PickledValue =>
    fill(new PickledArray(), [shape, dtype, order, data]);
  return {
    functions: {
      "numpy.dtype": (name) => new PickledDtype(pickledText(name)),
      "numpy.core.multiarray._reconstruct": reconstruct,
      "numpy._core.multiarray._reconstruct": reconstruct,
      "numpy.core.numeric._frombuffer": fromBuffer,
      "numpy._core.numeric._frombuffer": fromBuffer,
    },
    values: ["numpy.ndarray"],
    setState(object, state) {
      if (!Array.isArray(state)) return;
      if (object instanceof PickledDtype) object.order = pickledText(state[1]);
      if (object instanceof PickledArray) fill(object, state.slice(1));
    },
  };
}
