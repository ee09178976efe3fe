/**
 * Operations that a model uses like layers: those of Keras 3 (`Subtract`, `GetItem`), and functions of
 * TensorFlow 2 (`tf.math.subtract`), as `preprocess_input` writes them.
 */

import { isRecord } from "../../../model/json.ts";
import { mappedConstant } from "../tensors.ts";
import type { Layout, Operator } from "../graph.ts";
import { type Call, type Json, type KerasLayer, Reference } from "./description.ts";
import { activated, reshape, resize, transpose } from "./layers.ts";
import { constantOf, elementwise, type Made, type Taken, Untranslatable } from "./values.ts";

/** An operation that takes one value. */
interface Operation extends Taken {
  /** Its arguments in order, and behind them those that have names. */
  readonly args: readonly unknown[];
  readonly named: Json;
}

/** TensorFlow's names of what Keras 3 has as classes. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  "math.add": "Add",
  "__operators__.add": "Add",
  "nn.bias_add": "BiasAdd",
  "math.subtract": "Subtract",
  "math.multiply": "Multiply",
  "math.divide": "Divide",
  "math.truediv": "TrueDivide",
  "math.negative": "Negative",
  "__operators__.getitem": "GetItem",
  "reverse": "Flip",
  "cast": "Cast",
  "identity": "Identity",
  "stop_gradient": "Identity",
  "convert_to_tensor": "Identity",
  "nn.relu": "Relu",
  "nn.softmax": "Softmax",
  "math.sigmoid": "Sigmoid",
  "nn.sigmoid": "Sigmoid",
  "reshape": "Reshape",
  "transpose": "Transpose",
  "compat.v1.transpose": "Transpose",
  "math.reduce_mean": "Mean",
  "image.resize": "Resize",
};

const OPERATIONS: Readonly<Record<string, (operation: Operation) => Made>> = {
  Add: (operation) => affine(operation, ({ constant }) => ({ shift: constant })),
  BiasAdd: (operation) => {
    if (operation.named.data_format === "NCHW") {
      throw new Untranslatable("its data_format is NCHW");
    }
    return affine(operation, ({ constant }) => ({ shift: constant }));
  },
  Subtract: (operation) =>
    affine(
      operation,
      ({ constant, isFirst }) =>
        isFirst
          ? { scale: -1, shift: constant }
          : { shift: mappedConstant(constant, (value) => -value) },
    ),
  Multiply: (operation) => affine(operation, ({ constant }) => ({ scale: constant })),
  Divide: divide,
  TrueDivide: divide,
  Negative: (operation) => elementwise(operation, { kind: "affine", scale: -1 }),
  GetItem: getItem,
  Flip: (operation) => reversed(operation, [operation.named.axis].flat()),
  Cast: (operation) => {
    const { dtype } = operation.named;
    if (typeof dtype !== "string" || !/^b?float\d+$/.test(dtype)) {
      throw new Untranslatable("it makes whole numbers");
    }
    return elementwise(operation, { kind: "identity" });
  },
  Identity: (operation) => elementwise(operation, { kind: "identity" }),
  Relu: (operation) => activated(elementwise(operation), "relu"),
  Sigmoid: (operation) => activated(elementwise(operation), "sigmoid"),
  Softmax: (operation) => {
    const { axis = -1 } = operation.named;
    if ((axis ?? -1) !== -1) throw new Untranslatable("its axis is not the last one");
    return activated(elementwise(operation), "softmax");
  },
  // The images' axis is among the sizes.
  Reshape: ({ named, shape }) => reshape([named.shape].flat().slice(1), shape),
  Transpose: ({ named, shape }) => transpose([named.axes ?? named.perm].flat(), shape),
  Mean: mean,
  Resize: (operation) => resize(operation, [operation.named.size].flat()),
};

/**
 * Translates an operation.
 *
 * @returns `undefined` if it is none that is known.
 * @throws {Untranslatable} If it is known, and not as a graph has it.
 */
export function makeOperation(taken: Taken, { args, kwargs }: Call): Made | undefined {
  const { config, className } = taken.layer;
  const isFunction = className === "TFOpLambda" || className === "SlicingOpLambda";
  const name = isFunction ? nameOf(config) : className;
  if (name === undefined || !Object.hasOwn(OPERATIONS, name)) return undefined;
  const named = isFunction ? kwargs : { ...config, ...kwargs };
  return OPERATIONS[name]!({ ...taken, args: [...args, ...Object.values(kwargs)], named });
}

/** The class of Keras 3 that does what a function of TensorFlow does. */
function nameOf({ function: called }: Json): string | undefined {
  return typeof called === "string" && Object.hasOwn(FUNCTIONS, called)
    ? FUNCTIONS[called]
    : undefined;
}

/** How messages call an operation: by TensorFlow's function, or by the class. */
export function typeOf({ className, config }: KerasLayer): string {
  const isFunction = className === "TFOpLambda" || className === "SlicingOpLambda";
  return isFunction && typeof config.function === "string" ? `tf.${config.function}` : className;
}

/** A value and a constant; which comes first. */
function affine(
  operation: Operation,
  made: (
    found: { constant: ReturnType<typeof constantOf>; isFirst: boolean },
  ) => Omit<Operator & { kind: "affine" }, "kind">,
): Made {
  const [first, second] = operation.args;
  const isFirst = second instanceof Reference;
  const constant = constantOf(isFirst ? first : second, operation.layer.name);
  return elementwise(operation, { kind: "affine", ...made({ constant, isFirst }) });
}

function divide(operation: Operation): Made {
  return affine(operation, ({ constant, isFirst }) => {
    if (isFirst) throw new Untranslatable("it divides by a value");
    return { scale: mappedConstant(constant, (value) => 1 / value) };
  });
}

/** `x[..., ::-1]` of a map's channels; everything; nothing else. */
function getItem(operation: Operation): Made {
  const indices = indicesOf(operation);
  const turned = indices.flatMap((index, axis) => isSlice(index, -1) ? [axis] : []);
  if (!indices.every((index) => isSlice(index, 1) || isSlice(index, -1))) {
    throw new Untranslatable("it takes a part of a value");
  }
  return reversed(operation, turned);
}

function reversed(operation: Operation, axes: readonly unknown[]): Made {
  if (axes.length === 0) return elementwise(operation, { kind: "identity" });
  const { kind } = operation.shape;
  const channels: unknown[] = kind === "NCHW" ? [1, -3] : kind === "NHWC" ? [3, -1] : [];
  if (axes.length > 1 || !channels.includes(axes[0])) {
    throw new Untranslatable("it turns another axis round than that of the colors");
  }
  return elementwise(operation, { kind: "reverseColors" });
}

/** What is taken of each axis of a map, the images' included. */
function indicesOf({ args, named }: Pick<Operation, "args" | "named">): unknown[] {
  const key = named.slice_spec ?? named.key ?? args[1];
  const given: unknown[] = Array.isArray(key) ? key : [key];
  const rest = given.findIndex((index) => isRecord(index) && index.class_name === "__ellipsis__");
  const others = rest < 0 ? given : given.toSpliced(rest, 1);
  const all: unknown[] = new Array(Math.max(0, 4 - others.length)).fill({});
  return others.toSpliced(rest < 0 ? others.length : rest, 0, ...all);
}

/** Keras 3 has `{ class_name: "__slice__", config }`, TensorFlow 2 the start, stop and step alone. */
function isSlice(index: unknown, step: 1 | -1): boolean {
  if (!isRecord(index)) return false;
  const parts: Json = isRecord(index.config) ? index.config : index;
  const isWhole = (parts.start ?? undefined) === undefined &&
    (parts.stop ?? undefined) === undefined;
  return isWhole && (parts.step ?? 1) === step;
}

/** The color that `x[..., 0]` takes; `undefined` of anything else. */
export function channelTaken(layer: KerasLayer, call: Call, layout: Layout): number | undefined {
  if (typeOf(layer) !== "GetItem" && typeOf(layer) !== "tf.__operators__.getitem") return undefined;
  const indices = indicesOf({ args: call.args, named: { ...layer.config, ...call.kwargs } });
  const channels = layout === "NHWC" ? 3 : 1;
  const isOne = indices.length === 4 &&
    indices.every((index, axis) => axis === channels || isSlice(index, 1));
  const channel = indices[channels];
  return isOne && typeof channel === "number" ? channel : undefined;
}

/** Over all positions of a map. */
function mean(operation: Operation): Made {
  const { axis, keepdims } = operation.named;
  const { kind } = operation.shape;
  const axes = new Set(
    [axis].flat().map((item) => typeof item === "number" && item < 0 ? item + 4 : item),
  );
  const positions = kind === "NHWC" ? [1, 2] : kind === "NCHW" ? [2, 3] : [];
  if (
    axes.size !== 2 || positions.length !== 2 || !positions.every((position) => axes.has(position))
  ) {
    throw new Untranslatable("it is not that of a map's positions");
  }
  return {
    operators: [{ kind: "globalAverage" }],
    shape: { kind: keepdims === true ? kind : "vector" },
  };
}
