/**
 * Reads the models of TensorFlow.js, of layers and of graphs: `model.json` and the shards beside it.
 *
 * @see {@link https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts}
 */

import { Cleanup } from "../../../cleanup.ts";
import { CheckpointFormatError } from "../../../errors.ts";
import { isRecord, isSizes, jsonText } from "../../../model/json.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import {
  type Checkpoint,
  type CheckpointTensor,
  type OpenOptions,
  OUTPUTS_LAST,
  sizeOf,
} from "../checkpoint.ts";
import type { Graph } from "../graph.ts";
import { buildGraph } from "../keras/build_graph.ts";
import { DescriptionError, readDescription } from "../keras/description.ts";
import { assignWeights, placesIn, splitWeightName } from "../keras/weights.ts";
import { bytesOf, dequantizedTensor, type ElementType, rawTensor } from "../tensors.ts";

const MAX_JSON_BYTES = 16 << 20;

/** Element types by tfjs' names; others are read past by their sizes. */
const DTYPES: ReadonlyMap<string, ElementType> = new Map([
  ["float32", "F32"],
  ["float16", "F16"],
  ["uint8", "U8"],
  ["uint16", "U16"],
  ["int32", "I32"],
  ["bool", "U8"],
]);

interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization?: {
    readonly dtype: string;
    readonly scale?: number;
    readonly min?: number;
  };
}

type Fail = (message: string, code?: "checkpoint-unsupported") => never;

/** Opens a model. */
export async function readTfjs(
  source: ByteSource,
  { openSibling, budget }: OpenOptions,
): Promise<Checkpoint> {
  const fail: Fail = (message, code) => {
    const file = source.name, text = `Expected a TensorFlow.js model in ${file}: ${message}`;
    throw new CheckpointFormatError(text, { code, file });
  };
  const model = await parseJson(source, fail);
  const manifest = Array.isArray(model.weightsManifest)
    ? model.weightsManifest
    : fail("it has no weightsManifest");
  const weights: ManifestTensor[] = [];
  using opened = new Cleanup();
  for (const group of manifest) {
    const { paths, weights: own } = (group ?? {}) as { paths?: unknown; weights?: unknown };
    if (!Array.isArray(paths) || !Array.isArray(own)) fail("a group has no paths or weights");
    const parts: ByteSource[] = [];
    for (const path of paths as unknown[]) {
      // A file name and nothing else, so that a model cannot read elsewhere on the disk. What a browser saves
      // begins with "./".
      const [, name] = /^(?:\.\/)?([^/\\:]+)$/.exec(typeof path === "string" ? path : "") ?? [];
      if (name === undefined || name === "." || name === "..") {
        fail(`shard ${jsonText(path)} is no file name`);
      }
      parts.push(opened.adopt(await openSibling(name!), (shard) => shard.close()));
    }
    weights.push(...readGroup(concatenate(parts, source.name), own as unknown[], fail));
  }
  if (isGraph(model)) {
    const { readJsonGraph } = await import("../tensorflow/read.ts");
    const constants = new Map(weights.map(({ tensor }) => [tensor.name, tensor]));
    const outputs = outputsOf(model);
    const checkpoint = await readJsonGraph(source, model.modelTopology, constants, outputs, budget);
    const shards = opened.move();
    return { ...checkpoint, close: () => shards.dispose() };
  }
  const tensors = weights.flatMap(({ tensor, isFloat }) => isFloat ? [tensor] : []);
  const graph = describedGraph(model.modelTopology, tensors, source.name, fail);
  const shards = opened.move();
  return {
    format: "TensorFlow.js",
    tensors: tensors.map((tensor) => ({ ...tensor, name: nameOf(tensor) })),
    // That of the manifest, which is that of the model.
    order: "declared",
    graph,
    images: { preprocessing: "caffe", isRead: false, because: "usual for Keras" },
    epsilon: 1e-3,
    close: () => shards.dispose(),
  };
}

type Model = Readonly<Record<string, unknown>>;

/** TensorFlow's operations, for `tf.loadGraphModel`, instead of Keras' layers. */
function isGraph({ format, modelTopology }: Model): boolean {
  return format === "graph-model" || (isRecord(modelTopology) && Array.isArray(modelTopology.node));
}

/** What the signature of a graph says that it gives. */
function outputsOf({ signature }: Model): string[] | undefined {
  const outputs = isRecord(signature) && isRecord(signature.outputs) ? signature.outputs : {};
  const names = Object.values(outputs).flatMap((output) =>
    isRecord(output) && typeof output.name === "string" ? [output.name] : []
  );
  return names.length > 0 ? names : undefined;
}

/** The converter of Python has Keras' description in the topology; TensorFlow.js' own `save` has it alone. */
function describedGraph(
  topology: unknown,
  tensors: readonly CheckpointTensor[],
  file: string,
  fail: Fail,
): Graph | undefined {
  const description = isRecord(topology) ? topology.model_config ?? topology : undefined;
  try {
    const model = readDescription(description);
    if (model === undefined || model.layers.length === 0) return undefined;
    const weights = tensors.map((tensor) => ({ name: tensor.name, tensor }));
    const assigned = assignWeights(placesIn(model), weights, false);
    return buildGraph(model, (layer) => assigned.get(layer), file);
  } catch (error) {
    if (error instanceof DescriptionError) return fail(error.message);
    throw error;
  }
}

/** `conv1/kernel` is `conv1.kernel`, as in Keras' own files. */
function nameOf({ name }: CheckpointTensor): string {
  const split = splitWeightName(name);
  return split === undefined ? name : `${split.layer}.${split.role}`;
}

async function parseJson(
  source: ByteSource,
  fail: Fail,
): Promise<Record<string, unknown>> {
  if (source.size! > MAX_JSON_BYTES) fail(`it has ${source.size} bytes`);
  const bytes = new Uint8Array(source.size!);
  await source.read(0, bytes);
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof value === "object" && value !== null) return value;
  } catch (error) {
    fail(`it is not JSON (${(error as Error).message})`);
  }
  return fail("it is no object");
}

interface ManifestTensor {
  readonly tensor: CheckpointTensor;
  /** Whether it could be a weight; graphs have shapes and axes, too. */
  readonly isFloat: boolean;
}

function readGroup(
  source: ByteSource,
  weights: readonly unknown[],
  fail: Fail,
): ManifestTensor[] {
  let offset = 0;
  return weights.map((item) => {
    const { name, shape, dtype, quantization } = checkWeight(item, fail);
    const stored = quantization?.dtype ?? dtype;
    const type = DTYPES.get(stored) ??
      fail(`weight ${name} has type ${stored}`, "checkpoint-unsupported");
    const begin = offset;
    offset += sizeOf(shape) * bytesOf(type);
    if (!(offset <= source.size!)) {
      fail(`weight ${name} ends at byte ${offset} of its shards, which have ${source.size}`);
    }
    const isFloat = dtype === "float32";
    const tensor = rawTensor(
      source,
      { name, shape, layout: OUTPUTS_LAST, position: begin },
      type,
      begin,
    );
    if (quantization === undefined || type === "F16") return { tensor, isFloat };
    const { scale, min } = quantization;
    if (typeof scale !== "number" || typeof min !== "number") fail(`weight ${name} has no scale`);
    const zeroPoint = [-min! / scale!];
    return { tensor: dequantizedTensor(tensor, { scale: [scale!], zeroPoint, axis: 0 }), isFloat };
  });
}

function checkWeight(item: unknown, fail: Fail): Weight {
  const weight = (item ?? {}) as Partial<Weight>;
  const { name, shape, dtype, quantization } = weight;
  const isQuantization = quantization === undefined || typeof quantization?.dtype === "string";
  if (typeof name !== "string" || typeof dtype !== "string" || !isSizes(shape) || !isQuantization) {
    fail(`found the weight ${jsonText(item)}`);
  }
  return weight as Weight;
}

/** One file of several, one after the other. */
function concatenate(parts: readonly ByteSource[], name: string): ByteSource {
  let size = 0;
  const placed = parts.map((part) => {
    const first = size;
    size += part.size!;
    return { part, first, last: size };
  });
  return {
    name,
    size,
    async read(offset, into): Promise<void> {
      for (const { part, first, last } of placed) {
        const begin = Math.max(offset, first);
        const end = Math.min(offset + into.length, last);
        if (begin >= end) continue;
        await part.read(begin - first, into.subarray(begin - offset, end - offset));
      }
    },
    close(): void {},
  };
}
