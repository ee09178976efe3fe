/** Where `embed` writes: JSON lines, or a file of rows that is there once all of them are. */

import { createHash } from "node:crypto";
import { extname } from "node:path";
import { writeParts } from "../io/atomic_file.ts";
import { exists } from "../io/cache.ts";
import { isSize, isSizes } from "../model/json.ts";
import type { Embedding } from "../output/embedding.ts";
import { embeddingRecord, rowLength } from "../output/embedding_file.ts";
import { OpenFile, remove } from "../platform.ts";
import { type Encode, namesFile, outputFiles, ROW_FORMATS } from "./embedding_formats.ts";
import { KnownImages, type Stamp } from "./known_images.ts";
import type { Failure } from "./run.ts";
import { type Format, isTable, Results } from "./results.ts";
import type { Settings } from "./settings.ts";
import { tell } from "./terminal.ts";

/** Takes what comes of one image after the other. */
export interface EmbeddingOutput extends Disposable {
  /** Images that earlier runs have done. */
  readonly done: ReadonlySet<string>;
  add(file: string, embedding: Embedding): void;
  addFailure(failure: Failure): void;
  /** Writes what is only whole once it has all images, in their order. */
  finish(files: readonly string[], signal: AbortSignal): Promise<void>;
}

/**
 * Standard output; JSON lines if no other form is asked for. Rows have a column for each value, so that they begin
 * with the first embedding.
 */
export function printedOutput(format: Format, settings: Settings): EmbeddingOutput {
  const begin = (length: number): Results<Embedded> =>
    new Results(format === "text" ? "jsonl" : format, {
      settings,
      columns: ["file", "error", ...Array.from({ length }, (_, n) => `v${n}`)],
      record: ({ file, embedding }) => embeddingRecord(file, embedding),
      rows: ({ file, embedding: { data } }) => [[file, "", ...data]],
      text: () => [],
    });
  let results = isTable(format) ? undefined : begin(0);
  const waiting: Failure[] = [];
  const begun = (length: number): Results<Embedded> => {
    results ??= begin(length);
    for (const failure of waiting.splice(0)) results.fail(failure);
    return results;
  };
  return {
    done: new Set(),
    add: (file, embedding) => begun(embedding.data.length).add({ file, embedding }),
    addFailure(failure) {
      if (results === undefined) waiting.push(failure);
      else results.fail(failure);
    },
    finish: () => Promise.resolve(),
    [Symbol.dispose]: () => begun(0).end(),
  };
}

interface Embedded {
  readonly file: string;
  readonly embedding: Embedding;
}

/** The files that must not be there yet: those of rows, unless an interrupted run goes on there. */
export async function newFiles(out: string): Promise<string[]> {
  if (!ROW_FORMATS.has(extname(out).toLowerCase())) return [];
  const [rows, lines] = partsOf(out);
  // The names are written before the array: an interrupted run may have ended in between.
  return await exists(lines) ? [out] : [...outputFiles(out), rows];
}

/**
 * Opens where embeddings go.
 *
 * @param stamps Of all images.
 * @param isReplaced Whether what is there may be replaced.
 * @throws {UsageError} If it may not, and is no part of the same work.
 */
export async function openOutput(
  out: string,
  settings: Settings,
  stamps: ReadonlyMap<string, Stamp>,
  isReplaced: boolean,
): Promise<EmbeddingOutput> {
  const load = ROW_FORMATS.get(extname(out).toLowerCase());
  if (load !== undefined) {
    const encode = await load();
    const part = await openPart(out, settings, stamps, isReplaced);
    return new RowsOutput(out, encode, settings, part, isReplaced);
  }
  const known = await KnownImages.open(out, settings, stamps, { isReplaced });
  return {
    done: known.files,
    add: (file, embedding) => known.append({ file, ...embeddingRecord(file, embedding) }),
    addFailure: (failure) => known.append({ ...failure }),
    finish: () => Promise.resolve(),
    [Symbol.dispose]: () => known[Symbol.dispose](),
  };
}

/** Rows of a file that is not whole, in two files beside it. */
interface Part {
  /** Whose rows are there. */
  readonly known: KnownImages;
  /** One row after the other, float32. */
  readonly rows: OpenFile;
  /** The row of each image. */
  readonly places: Map<string, number>;
  /** Of one embedding, once there is one. */
  shape: readonly number[] | undefined;
}

async function openPart(
  out: string,
  settings: Settings,
  stamps: ReadonlyMap<string, Stamp>,
  isReplaced: boolean,
): Promise<Part> {
  const [rowsPath, linesPath] = partsOf(out), places = new Map<string, number>();
  // Not before it is known whose lines there are: what is refused leaves nothing.
  let opened: OpenFile | undefined;
  const rowsFile = (): OpenFile => opened ??= new OpenFile(rowsPath, "change");
  let shape: readonly number[] | undefined;
  const known = await KnownImages.open(linesPath, settings, stamps, {
    isReplaced,
    take(line) {
      const { file, row, shape: own, rowSha256 } = line;
      if (!isSize(row) || !isSizes(own) || String(own) !== String(shape ?? own)) return false;
      // Where the power failed a line may be there whose row is not, or not whole.
      const length = 4 * rowLength({ shape: own }), rows = rowsFile();
      if ((row + 1) * length > rows.describe().size) return false;
      const bytes = new Uint8Array(length);
      rows.read(row * length, bytes);
      if (hashOf(bytes) !== rowSha256) return false;
      shape ??= own;
      places.set(file as string, row);
      return true;
    },
  }).catch((error) => {
    opened?.close();
    throw error;
  });
  return { known, rows: rowsFile(), places, shape };
}

/** SHA-256 of a row, in hex. */
function hashOf(row: Uint8Array): string {
  return createHash("sha256").update(row).digest("hex");
}

/** Rows that become a file once all are there. */
class RowsOutput implements EmbeddingOutput {
  readonly done: ReadonlySet<string>;
  readonly #failures = new Map<string, Failure["error"]>();

  constructor(
    readonly out: string,
    readonly encode: Encode,
    readonly settings: Settings,
    readonly part: Part,
    readonly isReplaced: boolean,
  ) {
    this.done = part.known.files;
  }

  add(file: string, { shape, data }: Embedding): void {
    const { known, rows, places } = this.part;
    const common = this.part.shape ??= shape;
    if (String(shape) !== String(common)) {
      throw new RangeError(
        `Embeddings of one shape go into a file: found [${common}], and [${shape}] of ${file}`,
      );
    }
    const row = Math.floor(rows.describe().size / data.byteLength);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    rows.write(row * bytes.length, bytes);
    known.append({ file, row, shape, rowSha256: hashOf(bytes) });
    places.set(file, row);
  }

  addFailure({ file, error }: Failure): void {
    this.#failures.set(file, error);
  }

  async finish(files: readonly string[], signal: AbortSignal): Promise<void> {
    const { out, encode, settings, isReplaced, part: { rows, places, shape } } = this;
    if (shape === undefined) tell(`${out} is not written: it would have no embedding`);
    else {
      const length = 4 * rowLength({ shape });
      const failed = files.map((file, row) => [row, this.#failures.get(file)] as const);
      const errors = new Map(failed.flatMap(([row, error]) => error ? [[row, error]] : []));
      const read = (row: number, into: Float32Array<ArrayBuffer>): void => {
        const bytes = new Uint8Array(into.buffer, into.byteOffset, length);
        if (rows.read(places.get(files[row]!)! * length, bytes) === length) return;
        throw new Error(`${partsOf(out)[0]} is shorter than what was written`);
      };
      const table = { settings, shape, files, errors, read };
      const [, names] = outputFiles(out);
      if (names !== undefined) await writeParts(names, namesFile(table), signal);
      await writeParts(out, encode(table), signal, !isReplaced);
    }
    this[Symbol.dispose]();
    for (const path of partsOf(out)) await remove(path);
  }

  [Symbol.dispose](): void {
    this.part.rows[Symbol.dispose]();
    this.part.known[Symbol.dispose]();
  }
}

/** What lies beside a file of rows until it is whole. */
function partsOf(out: string): readonly [rows: string, lines: string] {
  return [`${out}.part`, `${out}.part.jsonl`];
}
