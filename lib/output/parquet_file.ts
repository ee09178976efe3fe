/** Tables of embeddings as Parquet. Loaded only when it is asked for, since its package is. */

import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { type EmbeddingTable, rowLength, rowsOf } from "./embedding_file.ts";

/** https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists */
const SCHEMA = [
  { name: "root", num_children: 3 },
  { name: "file", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "REQUIRED" },
  { name: "error", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
  { name: "embedding", num_children: 1, converted_type: "LIST", repetition_type: "OPTIONAL" },
  { name: "list", num_children: 1, repetition_type: "REPEATED" },
  { name: "element", type: "FLOAT", repetition_type: "REQUIRED" },
] as const;

/**
 * The columns `file`, `error` and `embedding`, a list of float32, of which a row has one of the last two.
 * The file's metadata have the settings and `shape`.
 */
export function* parquetFile(table: EmbeddingTable): Generator<Uint8Array> {
  const bytes = new ByteWriter();
  const writer = new ParquetWriter({
    writer: bytes,
    schema: [...SCHEMA],
    codec: "UNCOMPRESSED",
    statistics: false,
    kvMetadata: Object.entries({ ...table.settings, shape: JSON.stringify(table.shape) })
      .map(([key, value]) => ({ key, value })),
    createdBy: table.settings.program,
  });
  const length = rowLength(table);
  for (const { first, count, data } of rowsOf(table)) {
    const rows = Array.from({ length: count }, (_, n) => first + n);
    const errors = rows.map((row) => table.errors.get(row)?.message);
    writer.write({
      rowGroupSize: count,
      columnData: [
        { name: "file", data: rows.map((row) => table.files[row]) },
        { name: "error", data: errors },
        {
          name: "embedding",
          encoding: "PLAIN",
          data: errors.map((error, n) =>
            error === undefined ? [...data.subarray(n * length, (n + 1) * length)] : undefined
          ),
        },
      ],
    });
    yield bytes.getBytes();
    bytes.index = 0;
  }
  writer.finish();
  yield bytes.getBytes();
}
