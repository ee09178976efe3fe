/** Operators that turn the colors of the images round: a slice with stride -1, or parts in another order. */

import type { Place, Translation } from "./values.ts";
import { type Activation, channelAxis, type Color, type Value } from "./values.ts";
import { joinIntegers, knownIntegers, sliceIntegers } from "./shapes.ts";
import { sliceOf } from "./strided_slice.ts";
import { alongChannels } from "./arithmetic.ts";
import { memoryTensor } from "./tensor_proto.ts";
import { OUTPUTS_LAST } from "../checkpoint.ts";
import { attribute } from "./values.ts";

/** Translates `StridedSlice`. */
export async function stridedSlice(to: Translation, place: Place): Promise<Value> {
  const ofIntegers = await sliceIntegers(to, place);
  if (ofIntegers !== undefined) return ofIntegers;
  const value = await to.input(place, 0);
  if (value.kind !== "activation") return await to.unsupported(place);
  const sizes = value.shape ?? [undefined, undefined, undefined, undefined];
  const slices = await sliceOf(to, place, sizes);
  if (slices === undefined || slices.some(({ isNew }) => isNew)) return await to.unsupported(place);
  const axis = channelAxis(value);
  const isWhole = slices.every(({ begin, end, stride }, index) =>
    index === axis || (begin === undefined && end === undefined && stride === 1)
  );
  const ofColors = slices[axis];
  if (!isWhole || ofColors === undefined) return await to.unsupported(place, "it takes a part");
  const { begin, end, stride, isDropped } = ofColors;
  const isOpen = begin === undefined && end === undefined;
  if (isOpen && stride === 1 && !isDropped) return value;
  const fromLast = begin === undefined || begin === -1 || begin === 2;
  if (stride === -1 && fromLast && end === undefined) return reversed(to, place, value);
  const first = begin ?? 0;
  const isOne = isDropped || (stride === 1 && end === first + 1) ||
    (stride === 1 && first === 2 && end === undefined && sizes[axis] === 3);
  return isOne
    ? colorOf(value, first)
    : await to.unsupported(place, "it takes some of the channels");
}

function reversed(to: Translation, place: Place, value: Activation): Activation {
  return to.emit(place, { kind: "reverseColors" }, [value]);
}

function colorOf(of: Activation, index: number): Color {
  return { kind: "color", of, index: index < 0 ? index + 3 : index, scale: 1, shift: 0 };
}

/** Whether axes that are named, from the first or from the last one, are that of the channels alone. */
function isChannelAxis(axes: readonly number[] | undefined, value: Activation): boolean {
  const rank = value.shape?.length ?? 4;
  return axes?.length === 1 && (axes[0]! + rank) % rank === channelAxis(value);
}

/** Translates `ReverseV2` and `GatherV2` with 2, 1, 0. */
export async function reverse(to: Translation, place: Place): Promise<Value> {
  const value = await to.input(place, 0);
  if (value.kind !== "activation") return await to.unsupported(place);
  const isGather = place.node.op === "GatherV2";
  const axes = await knownIntegers(to, place, isGather ? 2 : 1);
  const indices = isGather ? await knownIntegers(to, place, 1) : [2, 1, 0];
  if (!isChannelAxis(axes, value) || String(indices) !== "2,1,0") {
    return await to.unsupported(place);
  }
  return reversed(to, place, value);
}

/** Translates `Split`, `SplitV` and `Unpack` into three colors. */
export async function split(to: Translation, place: Place): Promise<Value> {
  const { op } = place.node;
  const value = await to.input(place, op === "Split" ? 1 : 0);
  if (value.kind !== "activation") return await to.unsupported(place);
  const named = op === "Unpack"
    ? [attribute(place, "axis").int ?? 0]
    : await knownIntegers(to, place, op === "Split" ? 0 : 2);
  const sizes = op === "SplitV" ? await knownIntegers(to, place, 1) : [1, 1, 1];
  const parts = op === "SplitV"
    ? sizes?.length
    : attribute(place, op === "Split" ? "num_split" : "num").int;
  if (!isChannelAxis(named, value) || parts !== 3 || String(sizes) !== "1,1,1") {
    return await to.unsupported(place);
  }
  return colorOf(value, place.index);
}

/** Translates `ConcatV2`, `Concat` and `Pack`: of integers, or of three colors. */
export async function join(to: Translation, place: Place): Promise<Value> {
  const { op, inputs } = place.node;
  const count = op === "Pack" ? inputs.length : inputs.length - 1;
  const first = op === "Concat" ? 1 : 0;
  if (first === 0) {
    const ofIntegers = await joinIntegers(to, place, count);
    if (ofIntegers !== undefined) return ofIntegers;
  }
  const colors: Color[] = [];
  for (let index = first; index < first + count; index++) {
    const value = await to.input(place, index);
    if (count === 1 && value.kind === "activation" && op !== "Pack") return value;
    if (value.kind !== "color") return await to.unsupported(place);
    colors.push(value);
  }
  const of = colors[0]?.of;
  if (of === undefined) return await to.unsupported(place);
  const axes = op === "Pack"
    ? [attribute(place, "axis").int ?? 0]
    : await knownIntegers(to, place, op === "Concat" ? 0 : inputs.length - 1);
  const order = colors.map(({ index }) => index).join();
  const isSame = colors.every((color) => color.of.output === of.output);
  if (!isSame || !isChannelAxis(axes, of) || !["0,1,2", "2,1,0"].includes(order)) {
    return await to.unsupported(place);
  }
  const turned = order === "2,1,0" ? reversed(to, place, of) : of;
  if (colors.every(({ scale, shift }) => scale === 1 && shift === 0)) return turned;
  const constant = (part: "scale" | "shift") => {
    const about = { name: `${place.node.name}.${part}`, shape: [3], layout: OUTPUTS_LAST };
    const values = Float32Array.from(colors, (color) => color[part]);
    return alongChannels(memoryTensor(about, values), of.layout === "NCHW");
  };
  const operator = { kind: "affine", scale: constant("scale"), shift: constant("shift") } as const;
  return to.emit(place, operator, [turned]);
}
