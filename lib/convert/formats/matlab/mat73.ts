/**
 * Reads `.mat` files of version 7.3: HDF5 behind a header of 512 bytes. Cells and arrays of structures hold
 * references to what is in the group `#refs#`.
 */

import type { Cleanup } from "../../../cleanup.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import { OUTPUTS_FIRST, readAll, sizeOf } from "../checkpoint.ts";
import { Hdf5File } from "../hdf5/hdf5_file.ts";
import { damaged, type Hdf5Dataset } from "../hdf5/hdf5_library.ts";
import { hdf5Tensor } from "../hdf5/hdf5_tensor.ts";
import type { MatFields, MatValue } from "./value.ts";

/** Its value is MATLAB's class: `single`, `char`, `cell`, `struct`. */
const CLASS = "MATLAB_class";
/** Texts are shorter. */
const MAX_TEXT = 1 << 16;
/** An empty value: its dataset holds its sizes, as integers of so many bytes. */
const EMPTY_BYTES = 8;
const EMPTY: MatValue = { kind: "cell", items: [] };

/**
 * Reads the variables of a file.
 *
 * @param opened Closes the file.
 */
export async function readMat73(
  source: ByteSource,
  budget: Budget,
  opened: Cleanup,
): Promise<MatFields> {
  const file = await Hdf5File.open(source, { attributes: [CLASS] });
  opened.defer(() => file.close());
  return await new ValueReader(file, source, budget).fields("");
}

class ValueReader {
  readonly #datasets: ReadonlyMap<string, Hdf5Dataset>;
  readonly #groups: ReadonlySet<string>;
  /** What is in a group, by its path: each once, though others are below it. */
  readonly #members = new Map<string, string[]>();
  /** Values by their paths; `undefined` while one is read, which must not be within itself. */
  readonly #values = new Map<string, MatValue | undefined>();

  constructor(
    private readonly file: Hdf5File,
    private readonly source: ByteSource,
    private readonly budget: Budget,
  ) {
    const { datasets, groups } = file.contents;
    this.#datasets = new Map(datasets.map((dataset) => [dataset.path, dataset]));
    this.#groups = new Set(groups);
    for (const path of [...groups, ...this.#datasets.keys()]) {
      const parent = path.slice(0, path.lastIndexOf("/"));
      this.#members.set(parent, [...this.#members.get(parent) ?? [], path]);
    }
  }

  /** The fields of a group; those of the root, whose path is "", are the variables. */
  async fields(group: string): Promise<MatFields> {
    const fields = new Map<string, MatValue>();
    for (const path of this.#members.get(group) ?? []) {
      const name = path.slice(group.length + 1);
      if (!name.startsWith("#")) fields.set(name, await this.#value(path));
    }
    return fields;
  }

  async #value(path: string): Promise<MatValue> {
    if (this.#values.has(path)) {
      return this.#values.get(path) ?? this.#fail(`${path} is within itself`);
    }
    this.#values.set(path, undefined);
    this.budget.visit();
    const dataset = this.#datasets.get(path);
    const value = dataset !== undefined
      ? await this.#ofDataset(dataset)
      : this.#groups.has(path)
      ? await this.#struct(path)
      : this.#fail(`a reference leads to ${path || "nothing"}`);
    this.#values.set(path, value);
    return value;
  }

  async #ofDataset(dataset: Hdf5Dataset): Promise<MatValue> {
    const { path, kind, bytes, shape } = dataset;
    const type = this.#class(path);
    if (type === "cell" || type === undefined) {
      return { kind: "cell", items: kind === "reference" ? await this.#targets(path) : [] };
    }
    const isWide = /^u?int64$/.test(type);
    if (kind === "integer" && bytes === EMPTY_BYTES && !isWide) return EMPTY;
    if (kind !== "integer" && kind !== "float") return { kind: "other", type };
    const tensor = hdf5Tensor(this.file, this.source, dataset, { layout: OUTPUTS_FIRST });
    if (type !== "char") return { kind: "numbers", tensor };
    if (sizeOf(shape) > MAX_TEXT) this.#fail(`the text ${path} is too long`);
    return { kind: "text", text: String.fromCharCode(...await readAll(tensor)) };
  }

  /** An array of structures has a list of references for each field; what else is in one has a class. */
  async #struct(path: string): Promise<MatValue> {
    const members = this.#members.get(path) ?? [];
    const isArray = members.some((member) =>
      this.#datasets.get(member)?.kind === "reference" && this.#class(member) === undefined
    );
    const fields = await this.fields(path);
    if (!isArray) return { kind: "struct", elements: [fields] };
    const elements: Map<string, MatValue>[] = [];
    for (const [name, value] of fields) {
      for (const [index, item] of (value.kind === "cell" ? value.items : []).entries()) {
        (elements[index] ??= new Map()).set(name, item);
      }
    }
    return { kind: "struct", elements };
  }

  async #targets(path: string): Promise<MatValue[]> {
    const values: MatValue[] = [];
    for (const target of await this.file.targets(path)) values.push(await this.#value(target));
    return values;
  }

  #class(path: string): string | undefined {
    const text = this.file.contents.texts.get(path)?.[CLASS];
    return typeof text === "string" ? text : undefined;
  }

  #fail(message: string): never {
    throw damaged(this.source, message);
  }
}
