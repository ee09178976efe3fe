/**
 * Reads what `torch.export.save` writes (`.pt2`): a program of operators as JSON, and its parameters in the way
 * of the version: a file of `torch.save` (up to 2.8), or one file each.
 *
 * @see {@link https://github.com/pytorch/pytorch/blob/main/torch/_export/serde/schema.py}
 */

import { Cleanup } from "../../../cleanup.ts";
import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import { isRecord, isSize } from "../../../model/json.ts";
import type { Checkpoint, CheckpointTensor, OpenOptions } from "../checkpoint.ts";
import type { GraphNode, Layout } from "../graph.ts";
import { weightsOf } from "../stored.ts";
import { openEntry, readEntry, readZipDirectory, type ZipEntry } from "../zip.ts";
import { type Argument, AtenTranslator, layoutOfImages } from "./aten.ts";
import { readPytorchZip } from "./read.ts";
import { storedTensors } from "./tensors.ts";
import { elementsOf, PickledTensor, Storage } from "./vocabulary.ts";

/** The program of an archive, if it is one of `torch.export`. */
export function programOf(entries: readonly ZipEntry[]): ZipEntry | undefined {
  return entries.find(({ name }) =>
    /(^|\/)(models\/[^/]+\.json|serialized_exported_program\.json)$/.test(name)
  );
}

const MAX_JSON_BYTES = 64 << 20;

/** Opens an exported program. */
export async function readExported(
  source: ByteSource,
  entries: readonly ZipEntry[],
  options: OpenOptions,
): Promise<Checkpoint> {
  const file = source.name;
  using opened = new Cleanup();
  const archive = { source, entries, options, opened };
  const program = await jsonOf(archive, programOf(entries)!);
  const weights = await weightsIn(archive, "weights", /(^|\/)serialized_state_dict\.pt$/);
  const constants = await weightsIn(archive, "constants", /(^|\/)serialized_constants\.pt$/);
  const byName = new Map([...constants, ...weights].map((tensor) => [tensor.name, tensor]));
  const module = record(record(program).graph_module), graph = record(module.graph);
  const signature = record(module.signature);
  const bound = new Map<string, CheckpointTensor>();
  const inputs: string[] = [];
  for (const spec of list(signature.input_specs)) {
    for (const [kind, value] of Object.entries(record(spec))) {
      const { arg, parameter_name, buffer_name, tensor_constant_name } = record(value);
      const stored = parameter_name ?? buffer_name ?? tensor_constant_name;
      const tensor = typeof stored === "string" ? byName.get(stored) : undefined;
      const argument = record(arg);
      const name = String(argument.name ?? record(argument.as_tensor).name);
      if (tensor !== undefined) bound.set(name, tensor);
      else if (kind === "user_input") inputs.push(name);
    }
  }
  const translator = new AtenTranslator(bound);
  for (const node of list(graph.nodes)) {
    options.budget.visit();
    const { target, inputs: given, outputs } = record(node);
    translator.add({
      // "torch.ops.aten.conv2d.default"
      operator: String(target).replace(/^torch\.ops\.aten\.(\w+)\.\w+$/, "$1"),
      given: new Map(
        list(given).map((input) => [String(record(input).name), argumentOf(record(input).arg)]),
      ),
      outputs: list(outputs).map((output) => String(record(record(output).as_tensor).name)),
    });
  }
  const { nodes } = translator;
  const images = inputs.map((name) => inputNode(name, layoutOfImages(name, nodes), graph));
  const outputs = list(signature.output_specs).flatMap((spec) => {
    const { arg } = record(record(spec).user_output);
    const name = String(record(record(arg).as_tensor).name);
    return arg === undefined ? [] : [translator.latest(name)];
  });
  if (outputs.length === 0) {
    throw new CheckpointFormatError(`The exported program of ${file} has no output`, { file });
  }
  const held = opened.move();
  return {
    format: "PyTorch's exported program",
    tensors: weights,
    order: "declared",
    graph: { nodes: [...images, ...nodes], outputs },
    images: { preprocessing: "torch", isRead: false, because: "usual for PyTorch" },
    epsilon: 1e-5,
    close: () => held.dispose(),
  };
}

interface Archive {
  readonly source: ByteSource;
  readonly entries: readonly ZipEntry[];
  readonly options: OpenOptions;
  readonly opened: Cleanup;
}

/** What is no object has no fields. */
function record(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

async function jsonOf({ source, opened }: Archive, entry: ZipEntry): Promise<unknown> {
  const file = source.name;
  if (entry.size > MAX_JSON_BYTES) {
    throw new CheckpointFormatError(`${entry.name} of ${file} has ${entry.size} bytes`, {
      code: "budget",
      file,
    });
  }
  const text = new TextDecoder().decode(await readEntry(source, entry, opened));
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CheckpointFormatError(`${entry.name} of ${file} is no JSON`, { file, cause });
  }
}

/** The tensors of one of an archive's folders, or of the file that older versions have in its place. */
async function weightsIn(
  archive: Archive,
  folder: string,
  older: RegExp,
): Promise<readonly CheckpointTensor[]> {
  const { source, entries, options, opened } = archive;
  const inFolder = new RegExp(`(^|/)data/${folder}/`);
  const config = entries.find(({ name }) =>
    inFolder.test(name) && new RegExp(`_${folder}_config\\.json$`).test(name)
  );
  if (config !== undefined) return await listedTensors(archive, config);
  const saved = entries.find(({ name }) =>
    older.test(name) || (inFolder.test(name) && name.endsWith(".pt"))
  );
  if (saved === undefined) return [];
  const { bytes, begin } = await openEntry(source, saved, opened);
  const part: ByteSource = {
    name: source.name,
    size: saved.size,
    read: (offset, into) => bytes.read(begin + offset, into),
    close: () => {},
  };
  const inner = await readZipDirectory(part, options.budget);
  try {
    const checkpoint = await readPytorchZip(part, inner, { ...options, state: undefined });
    opened.defer(() => checkpoint.close());
    return checkpoint.tensors;
  } catch (error) {
    // A program without constants has an empty dictionary of them.
    if (folder !== "constants" || !(error instanceof CheckpointFormatError)) throw error;
    return [];
  }
}

/** Tensors that a list describes, each in a file of its own. */
async function listedTensors(archive: Archive, config: ZipEntry): Promise<CheckpointTensor[]> {
  const { source, entries, opened } = archive;
  const folder = config.name.replace(/[^/]*$/, "");
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const listed = Object.entries(record(record(await jsonOf(archive, config)).config));
  const tensors = listed.flatMap(([name, value]): [string, PickledTensor][] => {
    const { path_name, use_pickle, tensor_meta } = record(value);
    const { dtype, sizes, strides, storage_offset } = record(tensor_meta);
    const elements = elementsOf(SCALAR_TYPES[Number(dtype)] ?? "");
    const entry = byName.get(`${folder}${path_name}`);
    if (use_pickle === true || elements === undefined || entry === undefined) return [];
    const storage = new Storage(entry.name, elements, Math.floor(entry.size / elements.bytes));
    const [shape, steps] = [sizes, strides].map((of) => list(of).map(intOf));
    return [[name, new PickledTensor(storage, intOf(storage_offset), shape!, steps!)]];
  });
  const stored = await storedTensors({ path: "", tensors: new Map(tensors) }, {
    pickle: source,
    file: source.name,
    find: async (storage) => {
      const { key } = storage as Storage, entry = byName.get(key)!;
      const place = await openEntry(source, entry, opened);
      const about = { position: entry.headerOffset, isLittle: true, storage: storage as Storage };
      return { ...place, ...about };
    },
  });
  return weightsOf(stored, source.name);
}

function intOf(value: unknown): number {
  const { as_int } = record(value);
  return isSize(as_int) ? as_int : 0;
}

/** Of the schema's `ScalarType`, those that weights have. */
const SCALAR_TYPES: Readonly<Record<number, string>> = {
  5: "int64",
  6: "float16",
  7: "float32",
  8: "float64",
  13: "bfloat16",
};

function inputNode(name: string, layout: Layout, graph: Record<string, unknown>): GraphNode {
  const { sizes } = record(record(graph.tensor_values)[name]);
  const [, ...axes] = list(sizes).map((size) => intOf(size) || undefined);
  const [channels, height, width] = layout === "NCHW" ? axes : [axes[2], axes[0], axes[1]];
  const operator = { kind: "input", layout, height, width, channels } as const;
  return { name, inputs: [], output: name, operator };
}

/** What is none of these, such as an empty list, is taken as missing. */
function argumentOf(value: unknown): Argument {
  const { as_tensor, as_int, as_float, as_bool, as_string, ...lists } = record(value);
  if (as_tensor !== undefined) return { value: String(record(as_tensor).name) };
  const plain = as_int ?? as_float ?? as_bool ?? as_string;
  if (typeof plain === "number" || typeof plain === "boolean" || typeof plain === "string") {
    return plain;
  }
  // A size that is not fixed, such as the number of images, is any.
  const symbolic = list(lists.as_sym_ints).map((size) => intOf(size) || -1);
  const numbers = [...list(lists.as_ints ?? lists.as_floats), ...symbolic];
  return numbers.length > 0 && numbers.every((number) => typeof number === "number")
    ? numbers
    : null;
}
