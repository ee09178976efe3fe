/** `StridedSlice`, as TensorFlow writes `x[begin:end:stride]`, one part for each axis. */

import type { Place, Translation } from "./values.ts";
import { attribute } from "./values.ts";
import { numbersOf } from "./constants.ts";
import type { Sizes } from "./tensor_proto.ts";

/** What is taken of one axis. */
export interface Slice {
  /** `undefined`: from where the axis begins, in the direction of the stride. */
  readonly begin: number | undefined;
  /** `undefined`: to where the axis ends. */
  readonly end: number | undefined;
  readonly stride: number;
  /** Whether the axis has one element and goes away. */
  readonly isDropped: boolean;
  /** Whether it is no axis of the value, but a new one. */
  readonly isNew: boolean;
}

/** The masks have a bit for each part. */
const MAX_PARTS = 32;

const ALL: Slice = {
  begin: undefined,
  end: undefined,
  stride: 1,
  isDropped: false,
  isNew: false,
};

/**
 * Reads what a `StridedSlice` takes of each axis.
 *
 * @param sizes Of the value that is sliced.
 * @returns `undefined` if it is computed, or does not fit the value.
 */
export async function sliceOf(
  to: Translation,
  place: Place,
  sizes: Sizes,
): Promise<Slice[] | undefined> {
  const listOf = async (index: number): Promise<number[] | undefined> => {
    const tensor = to.constant(await to.input(place, index));
    return tensor === undefined ? undefined : await numbersOf(tensor);
  };
  const [begins, ends, strides] = [await listOf(1), await listOf(2), await listOf(3)];
  if (begins === undefined || begins.length > MAX_PARTS) return undefined;
  if (ends?.length !== begins.length || strides?.length !== begins.length) return undefined;
  const mask = (name: string, index: number): boolean =>
    ((attribute(place, name).int ?? 0) >> index & 1) === 1;
  const slices: Slice[] = [];
  const named =
    begins.filter((_, index) => !mask("ellipsis_mask", index) && !mask("new_axis_mask", index))
      .length;
  for (const [index, begin] of begins.entries()) {
    if (mask("ellipsis_mask", index)) {
      slices.push(...new Array(Math.max(0, sizes.length - named)).fill(ALL));
      continue;
    }
    const isNew = mask("new_axis_mask", index);
    const isDropped = !isNew && mask("shrink_axis_mask", index);
    const [end, stride] = [ends[index]!, strides[index]!];
    // A last place beyond the end is the end.
    const size = sizes[slices.filter((slice) => !slice.isNew).length];
    const isOpen = mask("end_mask", index) || (stride > 0 && end >= (size ?? Infinity));
    slices.push({
      begin: mask("begin_mask", index) || (begin === 0 && stride > 0 && !isDropped)
        ? undefined
        : begin,
      end: isOpen ? undefined : end,
      stride,
      isDropped,
      isNew,
    });
  }
  const missing = sizes.length - slices.filter((slice) => !slice.isNew).length;
  return missing < 0 ? undefined : [...slices, ...new Array(missing).fill(ALL)];
}
