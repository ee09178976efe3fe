/** Files of embeddings, a row for each image. */

import { stringify } from "@std/csv";
import { extname } from "node:path";
import {
  embeddingsFile,
  type EmbeddingTable,
  npyFile,
  rowLength,
  rowsOf,
} from "../output/embedding_file.ts";
import { visibleJson } from "../report/visible.ts";
import { csvCell } from "./csv.ts";
import { UsageError } from "./usage_error.ts";

/** Makes the parts of a file. */
export type Encode = (table: EmbeddingTable) => Iterable<Uint8Array>;

/** Formats of rows, by their endings. */
export const ROW_FORMATS: ReadonlyMap<string, () => Promise<Encode>> = new Map(Object.entries({
  ".npy": async () => await npyFile,
  ".safetensors": async () => await embeddingsFile,
  ".csv": async () => await csvFile,
  ".parquet": async () => {
    return (await import("../output/parquet_file.ts")).parquetFile;
  },
}));

/** What is written under a name; an array of NumPy's knows no names, so that these have a file beside it. */
export function outputFiles(out: string): string[] {
  const ending = extname(out).toLowerCase();
  if (ending === ".npy") return [out, out.slice(0, -ending.length) + ".names.jsonl"];
  if (ending === ".jsonl" || ROW_FORMATS.has(ending)) return [out];
  const endings = [".jsonl", ...ROW_FORMATS.keys()].join(", ");
  throw new UsageError(`Option --out needs a file ending in ${endings}: found "${out}"`);
}

/** A line of JSON for each row: `row`, `file`, and `error` if it has no embedding. */
export function* namesFile({ files, errors }: EmbeddingTable): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  const MANY = 1000;
  for (let first = 0; first < files.length; first += MANY) {
    const lines = files.slice(first, first + MANY).map((file, n) => {
      const row = first + n, error = errors.get(row);
      return visibleJson({ row, file, ...error && { error } }) + "\n";
    });
    yield encoder.encode(lines.join(""));
  }
}

/**
 * The columns `file`, `error` and `v0` … (RFC 4180). A number has the digits that tell it from all other
 * float32; a text that a spreadsheet would take for a formula has a quote before it.
 */
function* csvFile(table: EmbeddingTable): Generator<Uint8Array> {
  const encoder = new TextEncoder(), length = rowLength(table);
  // Numbers need no quotes, and there may be more of them than a call takes arguments.
  const line = (texts: readonly string[], values: readonly (string | number)[]): string =>
    stringify([texts], { headers: false }).slice(0, -2) + `,${values.join()}\r\n`;
  yield encoder.encode(line(["file", "error"], Array.from({ length }, (_, n) => `v${n}`)));
  for (const { first, count, data } of rowsOf(table)) {
    let text = "";
    for (let n = 0; n < count; n++) {
      const error = table.errors.get(first + n);
      const values = error === undefined
        ? Array.from(data.subarray(n * length, (n + 1) * length), (v) => Number(v.toPrecision(9)))
        : Array.from({ length }, () => "");
      text += line([csvCell(table.files[first + n]!), csvCell(error?.message ?? "")], values);
    }
    yield encoder.encode(text);
  }
}
