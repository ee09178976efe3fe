/** Tables of embeddings as Parquet. Loaded only when it is asked for, since its package is. */

import { type EmbeddingTable, rowLength, rowsOf } from "./embedding_file.ts";
import { ParquetRows, TEXT } from "./parquet_writer.ts";

/** https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists */
const SCHEMA = [
  { name: "root", num_children: 3 },
  { name: "file", ...TEXT, repetition_type: "REQUIRED" },
  { name: "error", ...TEXT, repetition_type: "OPTIONAL" },
  { name: "embedding", num_children: 1, converted_type: "LIST", repetition_type: "OPTIONAL" },
  { name: "list", num_children: 1, repetition_type: "REPEATED" },
  { name: "element", type: "FLOAT", repetition_type: "REQUIRED" },
] as const;

/**
 * The columns `file`, `error` and `embedding`, a list of float32, of which a row has one of the last two.
 * The file's metadata have the settings and `shape`.
 */
export function* parquetFile(table: EmbeddingTable): Generator<Uint8Array> {
  const file = new ParquetRows([...SCHEMA], {
    ...table.settings,
    shape: JSON.stringify(table.shape),
  });
  const length = rowLength(table);
  for (const { first, count, data } of rowsOf(table)) {
    const rows = Array.from({ length: count }, (_, n) => first + n);
    const errors = rows.map((row) => table.errors.get(row)?.message);
    yield file.add(count, [
      { name: "file", data: rows.map((row) => table.files[row]) },
      { name: "error", data: errors },
      {
        name: "embedding",
        encoding: "PLAIN",
        data: errors.map((error, n) =>
          error === undefined ? [...data.subarray(n * length, (n + 1) * length)] : undefined
        ),
      },
    ]);
  }
  yield file.end();
}
