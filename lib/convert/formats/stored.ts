/**
 * Tensors as a file without a graph has them, before it is known which of them are weights: of any type of
 * elements, and weights that are kept in parts.
 */

import { CheckpointFormatError } from "../../errors.ts";
import type { ByteSource } from "../../io/byte_source.ts";
import { type CheckpointTensor, readAll, type Runs, sizeOf } from "./checkpoint.ts";
import { dequantizedTensor, isElementType, type Quantization, rawTensor } from "./tensors.ts";

/** A tensor with the type of its elements. */
export interface StoredTensor extends CheckpointTensor {
  /** By safetensors' names. One of a type that is not read can only be left out. */
  readonly dtype: string;
}

/**
 * Makes a tensor of the elements from byte `offset` of a file on.
 *
 * @param dtype By safetensors' names, or any other.
 */
export function storedTensor(
  source: ByteSource,
  tensor: Omit<CheckpointTensor, "read">,
  dtype: string,
  offset: number,
  isLittle = true,
): StoredTensor {
  // A byte for true, as for numbers.
  const type = dtype === "BOOL" ? "U8" : dtype;
  const read = (): never => refuse({ name: tensor.name }, source.name, `is of type ${dtype}`);
  if (!isElementType(type)) return { ...tensor, dtype, read };
  return { ...rawTensor(source, tensor, type, offset, isLittle), dtype };
}

/** What a weight is made of: the tensor that has its shape, and others. */
interface Recipe {
  /** The name of the tensor of the weight's shape. */
  readonly main: RegExp;
  /** The names of the others, and of the weight. */
  readonly others: readonly string[];
  readonly weight: string;
  make(main: StoredTensor, ...others: StoredTensor[]): CheckpointTensor;
}

/** In PyTorch's words, of `torch.nn.utils` and of its `parametrizations` and `prune`. */
const RECIPES: readonly Recipe[] = [
  { main: /^(.*)_orig$/, others: ["$1_mask"], weight: "$1", make: masked },
  { main: /^(.*)_orig$/, others: ["$1_u", "$1_v"], weight: "$1", make: spectral },
  { main: /^(.*)_v$/, others: ["$1_g"], weight: "$1", make: normalized },
  {
    main: /^(.*?)parametrizations\.(\w+)\.original1$/,
    others: ["$1parametrizations.$2.original0"],
    weight: "$1$2",
    make: normalized,
  },
  {
    main: /^(.*?)parametrizations\.(\w+)\.original$/,
    others: ["$1parametrizations.$2.0._u", "$1parametrizations.$2.0._v"],
    weight: "$1$2",
    make: spectral,
  },
];

/** Integers and what they are multiplied with, in the words of several exporters. */
const QUANTIZED: readonly Recipe[] = [
  ["$1_scale", "$1_zero_point"],
  ["$1_scale"],
  ["$1_scales", "$1_zero_point"],
  ["$1_scales"],
  ["$1.scale", "$1.zero_point"],
  ["$1.scale"],
].map((others) => ({ main: /^(.*)$/, others, weight: "$1", make: quantized }));

/** What training with simulated quantization keeps beside the weights. */
const OBSERVER = /(^|\.)(\w*fake_quant\w*|activation_post_process\w*)(\.|$)/;

/** Names of weights, and of parts of one, in the words of formats that have no graph. */
const WEIGHT = /(^|[./_])(weights?|kernel|filters?|W)$/;
const PART = /(^|\.)((weight|bias)_(orig|mask|g|v|u|bar)|parametrizations\..*)$/;

/**
 * Makes a network's weights of what a file has: pruned, normalized and quantized ones of their parts.
 * Integers that are no weights, such as counters and masks, are left out.
 *
 * @throws {CheckpointFormatError} If a weight is of a type, or made in a way, that is not known.
 */
export function weightsOf(stored: readonly StoredTensor[], file: string): CheckpointTensor[] {
  const tensors = new Map(stored.map((tensor) => [tensor.name, tensor]));
  const found = stored.filter(({ name }) => !OBSERVER.test(name))
    .map((tensor) => combine(tensor, tensors, file));
  // What is made of parts also stands for a copy of it that may be there.
  const used = new Set(
    found.flatMap(({ weight, parts }) => parts.length > 0 ? [weight.name, ...parts] : []),
  );
  return found.filter(({ weight, parts }) => parts.length > 0 || !used.has(weight.name))
    .map(({ weight }) => weight)
    .filter((weight) => isWeight(weight, file));
}

function isWeight(tensor: StoredTensor, file: string): boolean {
  const { name, dtype, shape } = tensor;
  if (PART.test(name)) {
    refuse(tensor, file, "is a part of a weight that is made in a way that is not known");
  }
  if (/^(B?F16|F32|F64)$/.test(dtype)) return true;
  if (shape.length > 1 && WEIGHT.test(name)) {
    refuse(tensor, file, `has elements of type ${dtype}, and nothing says what they stand for`);
  }
  return false;
}

/** Makes a weight of a tensor and of others, as often as it is a part of another one. */
function combine(
  tensor: StoredTensor,
  tensors: ReadonlyMap<string, StoredTensor>,
  file: string,
): { weight: StoredTensor; parts: string[] } {
  let weight = tensor;
  const parts: string[] = [];
  for (let next = find(weight, tensors); next !== undefined; next = find(weight, tensors)) {
    const { recipe: { main, weight: template, make }, names, others } = next;
    parts.push(weight.name, ...names);
    try {
      const made = make(weight, ...others);
      weight = { ...made, name: weight.name.replace(main, template), dtype: "F32" };
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      refuse(weight, file, `does not fit ${names.join(" and ")}: ${cause.message}`);
    }
  }
  return { weight, parts };
}

/** The first recipe whose tensors are all there. */
function find(
  weight: StoredTensor,
  tensors: ReadonlyMap<string, StoredTensor>,
): { recipe: Recipe; names: string[]; others: StoredTensor[] } | undefined {
  const isInteger = /^[IU](8|16|32)$/.test(weight.dtype) && WEIGHT.test(weight.name);
  for (const recipe of isInteger ? QUANTIZED : RECIPES) {
    if (!recipe.main.test(weight.name)) continue;
    const names = recipe.others.map((other) => weight.name.replace(recipe.main, other));
    const others = names.flatMap((name) => tensors.get(name) ?? []);
    if (others.length === names.length) return { recipe, names, others };
  }
}

function refuse({ name }: { readonly name: string }, file: string, what: string): never {
  throw new CheckpointFormatError(`Tensor ${name} of ${file} ${what}`, {
    code: "checkpoint-unsupported",
    file,
  });
}

/** `weight * mask`, both of one shape. */
function masked(weight: StoredTensor, mask: StoredTensor): CheckpointTensor {
  if (String(mask.shape) !== String(weight.shape)) {
    throw new RangeError(`shapes [${weight.shape}] and [${mask.shape}]`);
  }
  return {
    ...weight,
    async read(runs: Runs, into: Float32Array): Promise<void> {
      const factors = new Float32Array(into.length);
      await weight.read(runs, into);
      await mask.read(runs, factors);
      for (let i = 0; i < into.length; i++) into[i]! *= factors[i]!;
    },
  };
}

/**
 * `length * direction / |direction|`, for each index of the axis along which there are several lengths:
 * Salimans and Kingma, 2016, "Weight Normalization".
 */
function normalized(direction: StoredTensor, length: StoredTensor): CheckpointTensor {
  const { shape } = direction;
  const count = sizeOf(length.shape);
  const axis = Math.max(0, length.shape.findIndex((size) => size > 1));
  if (count !== 1 && (length.shape[axis] !== count || shape[axis] !== count)) {
    throw new RangeError(`shapes [${shape}] and [${length.shape}]`);
  }
  return scaled(direction, async () => {
    const lengths = await readAll(length);
    const squares = new Float64Array(count);
    const inner = sizeOf(shape.slice(axis + 1));
    await eachElement(direction, (value, index) => {
      squares[Math.floor(index / inner) % count]! += value * value;
    });
    return { scale: squares.map((square, i) => lengths[i]! / Math.sqrt(square)), axis };
  });
}

/**
 * `weight / sigma`, where `sigma` is `u * matrix * v`, and the matrix has a row for each output: Miyato et al.,
 * 2018, "Spectral Normalization for Generative Adversarial Networks". As PyTorch evaluates it, with the
 * vectors that the file has.
 */
function spectral(weight: StoredTensor, left: StoredTensor, right: StoredTensor): CheckpointTensor {
  const [rows = 1] = weight.shape, columns = sizeOf(weight.shape.slice(1));
  if (sizeOf(left.shape) !== rows || sizeOf(right.shape) !== columns) {
    throw new RangeError(`${rows} rows of ${columns}, [${left.shape}] and [${right.shape}]`);
  }
  return scaled(weight, async () => {
    const u = await readAll(left), v = await readAll(right);
    let sigma = 0;
    await eachElement(weight, (value, index) => {
      sigma += u[Math.floor(index / columns)]! * value * v[index % columns]!;
    });
    return { scale: [1 / sigma], axis: 0 };
  });
}

/** `(weight - zero) * scale`, with one scale for all or one for each index of an axis. */
function quantized(
  weight: StoredTensor,
  scale: StoredTensor,
  zero?: StoredTensor,
): CheckpointTensor {
  const count = sizeOf(scale.shape);
  const axis = scale.shape.length === weight.shape.length
    ? Math.max(0, scale.shape.findIndex((size) => size > 1))
    : 0;
  const isSigned = weight.dtype.startsWith("I");
  const hasZero = zero !== undefined && sizeOf(zero.shape) === count;
  const fits = count === 1 || (weight.shape[axis] === count && Math.max(...scale.shape) === count);
  if (
    !fits || (zero === undefined ? !isSigned : !hasZero) || !/^(B?F16|F32|F64)$/.test(scale.dtype)
  ) {
    throw new RangeError(`${weight.dtype} of shape [${weight.shape}] and [${scale.shape}]`);
  }
  return scaled(weight, async () => ({
    scale: await readAll(scale),
    zeroPoint: zero && await readAll(zero),
    axis,
  }));
}

/** Multiplies with what is found out when the tensor is first read. */
function scaled(
  tensor: CheckpointTensor,
  findOut: () => Promise<Omit<Quantization, "zeroPoint"> & Partial<Quantization>>,
): CheckpointTensor {
  let finding: Promise<CheckpointTensor> | undefined;
  return {
    ...tensor,
    async read(runs: Runs, into: Float32Array): Promise<void> {
      finding ??= findOut().then(({ scale, axis, zeroPoint }) =>
        dequantizedTensor(tensor, {
          scale,
          axis,
          zeroPoint: zeroPoint ?? new Float32Array(scale.length),
        })
      );
      await (await finding).read(runs, into);
    },
  };
}

const PART_ELEMENTS = 1 << 18;

async function eachElement(
  tensor: CheckpointTensor,
  use: (value: number, index: number) => void,
): Promise<void> {
  const size = sizeOf(tensor.shape);
  const values = new Float32Array(Math.min(PART_ELEMENTS, size));
  for (let start = 0; start < size; start += PART_ELEMENTS) {
    const length = Math.min(PART_ELEMENTS, size - start);
    const part = values.subarray(0, length);
    await tensor.read({ start, length, stride: length, count: 1 }, part);
    for (let i = 0; i < length; i++) use(part[i]!, start + i);
  }
}
