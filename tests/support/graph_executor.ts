/**
 * Runs a graph in float64, one operator after the other, as its frameworks define them: slow, obvious, and
 * without any idea of a VGG. What the matcher makes of a graph is held to this.
 *
 * @module
 */

import { type CheckpointTensor, readAll, sizeOf } from "../../lib/convert/formats/tensor.ts";
import type {
  Constant,
  Graph,
  Layout,
  Operator,
  Padding,
  Pair,
} from "../../lib/convert/formats/graph.ts";

/** A value with its axes, the images' axis left out: `[C, H, W]`, `[H, W, C]` or `[features]`. */
interface Value {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** Of a map; for the operators that mean its channels and do not say which axis they are. */
  readonly layout?: Layout | undefined;
}

/**
 * Runs a graph.
 *
 * @param image In the order of the graph's input.
 * @returns The first output, a map as `[H, W, C]`.
 * @throws {Error} If a value does not fit its operator.
 */
export async function runGraph(graph: Graph, image: Value): Promise<Float64Array> {
  const values = new Map<string, Value>();
  const left = new Set(graph.nodes);
  while (!values.has(graph.outputs[0]!)) {
    const node = [...left].find(({ inputs }) => inputs.every((name) => values.has(name)));
    if (node === undefined) throw new Error(`nothing gives ${graph.outputs[0]}`);
    left.delete(node);
    const [input] = node.inputs.map((name) => values.get(name)!);
    if (node.inputs.length > 1) throw new Error(`${node.name} takes several values`);
    values.set(node.output, input === undefined ? image : await run(node.operator, input));
  }
  const output = values.get(graph.outputs[0]!)!;
  return output.layout === "NCHW" ? transposed(output, [1, 2, 0]).data : output.data;
}

async function run(operator: Operator, x: Value): Promise<Value> {
  switch (operator.kind) {
    case "input":
    case "identity":
      return x;
    case "affine": {
      const scale = await broadcast(operator.scale ?? 1, x.shape);
      const shift = await broadcast(operator.shift ?? 0, x.shape);
      return { ...x, data: x.data.map((value, i) => value * scale(i) + shift(i)) };
    }
    case "batchNorm":
      return await normalize(operator, x);
    case "relu":
      return { ...x, data: x.data.map((value) => Math.max(0, value)) };
    case "conv":
      return await convolve(operator, x);
    case "dense":
      return await multiply(operator, x);
    case "maxPool":
    case "averagePool":
      return pool(operator, x);
    case "globalAverage":
      return averageOf(x);
    case "adaptiveAverage":
      return x.shape.length < 3 && sizeOf(operator.size) === 1 ? x : adapt(operator.size, x);
    case "flatten":
      return {
        shape: [x.data.length],
        data: (operator.order ?? x.layout) === x.layout || x.shape.length < 3
          ? x.data
          : transposed(x, operator.order === "NHWC" ? [1, 2, 0] : [2, 0, 1]).data,
      };
    case "pad":
      return padded(x, sides(operator.padding), operator.layout, 0);
    case "transpose":
      // An average may have kept its axes.
      if (x.shape.length < 3) return x;
      return {
        ...transposed(x, operator.order.slice(1).map((axis) => axis - 1)),
        layout: String(operator.order) === "0,2,3,1" ? "NHWC" : "NCHW",
      };
    case "reverseColors":
      return reversed(x);
    case "softmax": {
      const largest = Math.max(...x.data);
      const powers = x.data.map((value) => Math.exp(value - largest));
      const sum = powers.reduce((a, b) => a + b);
      return { ...x, data: powers.map((value) => value / sum) };
    }
    case "sigmoid":
      return { ...x, data: x.data.map((value) => 1 / (1 + Math.exp(-value))) };
    case "unsupported":
      throw new Error(`${operator.type} cannot be run`);
  }
}

/** numpy's: axes are aligned at the end. */
async function broadcast(
  constant: Constant,
  shape: readonly number[],
): Promise<(index: number) => number> {
  if (typeof constant === "number") return () => constant;
  const values = await readAll(constant);
  const axes = constant.shape.length > shape.length ? constant.shape.slice(1) : constant.shape;
  const own = [...new Array(shape.length - axes.length).fill(1), ...axes] as number[];
  if (own.some((size, axis) => size !== 1 && size !== shape[axis])) {
    throw new Error(`[${own}] does not fit [${shape}]`);
  }
  return (index) => {
    let at = 0, step = 1;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (own[axis] !== 1) at += index % shape[axis]! * step;
      step *= own[axis]!;
      index = Math.floor(index / shape[axis]!);
    }
    return values[at]!;
  };
}

function transposed({ shape, data }: Value, order: readonly number[]): Value {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const turned = order.map((axis) => shape[axis]!);
  const result = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) {
    let rest = i, from = 0;
    for (let axis = order.length - 1; axis >= 0; axis--) {
      from += rest % turned[axis]! * strides[order[axis]!]!;
      rest = Math.floor(rest / turned[axis]!);
    }
    result[i] = data[from]!;
  }
  return { shape: turned, data: result };
}

/** As `[C, H, W]`, and back. */
function inChannels(x: Value, layout: Layout): Value {
  // A global average drops its axes or keeps them.
  if (x.shape.length === 1) return { ...x, shape: [x.shape[0]!, 1, 1] };
  if (x.shape.length !== 3) throw new Error(`[${x.shape}] is no map`);
  return layout === "NCHW" ? x : transposed(x, [2, 0, 1]);
}

function inLayout(x: Value, layout: Layout): Value {
  return { ...layout === "NCHW" ? x : transposed(x, [1, 2, 0]), layout };
}

/** Which channel an element is of, and how many there are. */
function channelsOf({ shape, layout }: Value): { count: number; of: (index: number) => number } {
  if (shape.length < 3) return { count: shape[0]!, of: (index) => index };
  if (layout === undefined) throw new Error("nobody knows where the channels are");
  const count = shape[layout === "NCHW" ? 0 : 2]!;
  const positions = sizeOf(shape) / count;
  return {
    count,
    of: (index) => layout === "NCHW" ? Math.floor(index / positions) : index % count,
  };
}

async function normalize(operator: Operator & { kind: "batchNorm" }, x: Value): Promise<Value> {
  const { of } = channelsOf(x);
  const { gamma, beta, epsilon } = operator;
  const [mean, variance] = [await readAll(operator.mean), await readAll(operator.variance)];
  const [scale, shift] = [gamma && await readAll(gamma), beta && await readAll(beta)];
  const data = x.data.map((value, i) => {
    const c = of(i);
    const normalized = (value - mean[c]!) / Math.sqrt(variance[c]! + epsilon);
    return normalized * (scale?.[c] ?? 1) + (shift?.[c] ?? 0);
  });
  return { ...x, data };
}

function averageOf(x: Value): Value {
  const { count, of } = channelsOf(x);
  const data = new Float64Array(count);
  x.data.forEach((value, i) => data[of(i)] += value * count / x.data.length);
  return { shape: [count], data };
}

function reversed(x: Value): Value {
  const map = inChannels(x, x.layout!);
  const positions = map.data.length / map.shape[0]!;
  const data = map.data.map((_, i) =>
    map.data[(map.shape[0]! - 1 - Math.floor(i / positions)) * positions + i % positions]!
  );
  return inLayout({ shape: map.shape, data }, x.layout!);
}

function sides(padding: Padding): readonly number[] {
  if (padding === "same") throw new Error("sides depend on the window");
  return padding === "valid" ? [0, 0, 0, 0] : padding;
}

/** TensorFlow's `SAME`. */
function sidesFor(padding: Padding, size: Pair, window: Pair, stride: Pair): readonly number[] {
  if (padding !== "same") return sides(padding);
  const total = [0, 1].map((axis) => {
    const outputs = Math.ceil(size[axis]! / stride[axis]!);
    return Math.max(0, (outputs - 1) * stride[axis]! + window[axis]! - size[axis]!);
  });
  const [y, x] = total as [number, number];
  return [y >> 1, x >> 1, y - (y >> 1), x - (x >> 1)];
}

function padded(
  x: Value,
  [top, left, bottom, right]: readonly number[],
  layout: Layout,
  by: number,
) {
  const { shape: [channels, height, width], data } = inChannels(x, layout) as {
    shape: [number, number, number];
    data: Float64Array;
  };
  const shape = [channels, height + top! + bottom!, width + left! + right!] as const;
  const result = new Float64Array(sizeOf(shape)).fill(by);
  for (let c = 0, i = 0; c < channels; c++) {
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++, i++) {
        result[(c * shape[1] + row + top!) * shape[2] + column + left!] = data[i]!;
      }
    }
  }
  return inLayout({ shape, data: result }, layout);
}

async function convolve(operator: Operator & { kind: "conv" }, x: Value): Promise<Value> {
  const { weight, bias, stride, dilation, groups, layout } = operator;
  if (groups !== 1) throw new Error("groups");
  const flat = await readAll(weight);
  const added = bias && await readAll(bias);
  const isFirst = weight.layout.outputs === "first";
  const [o, i, kh, kw] = isFirst
    ? weight.shape
    : [weight.shape[3], weight.shape[2], weight.shape[0], weight.shape[1]];
  const at = (out: number, into: number, y: number, z: number): number =>
    isFirst
      ? flat[((out * i! + into) * kh! + y) * kw! + z]!
      : flat[((y * kw! + z) * i! + into) * o! + out]!;
  const map = inChannels(x, layout);
  if (map.shape[0] !== i) throw new Error(`${weight.name} does not fit [${x.shape}]`);
  const reach = [(kh! - 1) * dilation[0] + 1, (kw! - 1) * dilation[1] + 1] as const;
  const around = sidesFor(operator.padding, [map.shape[1]!, map.shape[2]!], reach, stride);
  const { shape: [, height, width], data } = padded(map, around, "NCHW", 0);
  const rows = Math.floor((height! - reach[0]) / stride[0]) + 1;
  const columns = Math.floor((width! - reach[1]) / stride[1]) + 1;
  const result = new Float64Array(o! * rows * columns);
  for (let out = 0, n = 0; out < o!; out++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, n++) {
        let sum = added?.[out] ?? 0;
        for (let into = 0; into < i!; into++) {
          for (let y = 0; y < kh!; y++) {
            for (let z = 0; z < kw!; z++) {
              const from = row * stride[0] + y * dilation[0];
              const to = column * stride[1] + z * dilation[1];
              sum += at(out, into, y, z) * data[(into * height! + from) * width! + to]!;
            }
          }
        }
        result[n] = sum;
      }
    }
  }
  return inLayout({ shape: [o!, rows, columns], data: result }, layout);
}

async function multiply(
  { weight, bias }: { weight: CheckpointTensor; bias?: CheckpointTensor | undefined },
  x: Value,
): Promise<Value> {
  const flat = await readAll(weight);
  const added = bias && await readAll(bias);
  const isFirst = weight.layout.outputs === "first";
  const [outputs, inputs] = isFirst ? weight.shape : weight.shape.toReversed();
  // A map of one position is a vector, as readers do not tell whether its axes were dropped.
  const isVector = x.shape.length === 1 || x.shape.filter((size) => size > 1).length <= 1;
  if (!isVector || x.data.length !== inputs) {
    throw new Error(`${weight.name} does not fit [${x.shape}]`);
  }
  const data = Float64Array.from({ length: outputs! }, (_, o) => {
    let sum = added?.[o] ?? 0;
    for (let i = 0; i < inputs; i++) {
      sum += x.data[i]! * flat[isFirst ? o * inputs + i : i * outputs! + o]!;
    }
    return sum;
  });
  return { shape: [outputs!], data };
}

function pool(operator: Operator & { kind: "maxPool" | "averagePool" }, x: Value): Value {
  const { kind, window, stride, roundsUp, layout } = operator;
  const map = inChannels(x, layout);
  const size: Pair = [map.shape[1]!, map.shape[2]!];
  const around = [...sidesFor(operator.padding, size, window, stride)];
  if (roundsUp) {
    // A last window that is cut off sees what there is.
    around[2]! += stride[0] - 1;
    around[3]! += stride[1] - 1;
  }
  const empty = kind === "maxPool" ? -Infinity : NaN;
  const { shape: [channels, height, width], data } = padded(map, around, "NCHW", empty);
  const rows = Math.floor((height! - window[0]) / stride[0]) + 1;
  const columns = Math.floor((width! - window[1]) / stride[1]) + 1;
  const result = new Float64Array(channels! * rows * columns);
  for (let c = 0, n = 0; c < channels!; c++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, n++) {
        const seen: number[] = [];
        for (let y = 0; y < window[0]; y++) {
          for (let z = 0; z < window[1]; z++) {
            const from = (c * height! + row * stride[0] + y) * width! + column * stride[1] + z;
            if (!Number.isNaN(data[from]!)) seen.push(data[from]!);
          }
        }
        result[n] = kind === "maxPool"
          ? Math.max(...seen)
          : seen.reduce((a, b) => a + b, 0) / seen.length;
      }
    }
  }
  return inLayout({ shape: [channels!, rows, columns], data: result }, layout);
}

/** PyTorch's `AdaptiveAvgPool2d`. */
function adapt([rows, columns]: Pair, x: Value): Value {
  const { shape, data } = inChannels(x, x.layout!);
  const [channels, height, width] = shape as [number, number, number];
  const result = new Float64Array(channels * rows * columns);
  for (let c = 0, n = 0; c < channels; c++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, n++) {
        const top = Math.floor(row * height / rows), left = Math.floor(column * width / columns);
        const bottom = Math.ceil((row + 1) * height / rows);
        const right = Math.ceil((column + 1) * width / columns);
        let sum = 0;
        for (let y = top; y < bottom; y++) {
          for (let z = left; z < right; z++) sum += data[(c * height + y) * width + z]!;
        }
        result[n] = sum / ((bottom - top) * (right - left));
      }
    }
  }
  return inLayout({ shape: [channels, rows, columns], data: result }, x.layout!);
}
