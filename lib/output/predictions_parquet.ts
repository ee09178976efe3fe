/** Predictions of many images as Parquet. Loaded only when it is asked for, since its package is. */

import { ParquetRows, TEXT } from "./parquet_writer.ts";

/** What came of an image. */
interface Row {
  readonly id: string;
  readonly error?: { readonly code?: string; readonly message: string } | undefined;
  readonly predictions?: unknown;
}

/** https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists */
const SCHEMA = [
  { name: "root", num_children: 6 },
  { name: "id", ...TEXT, repetition_type: "REQUIRED" },
  { name: "label", ...TEXT, repetition_type: "OPTIONAL" },
  { name: "score", type: "DOUBLE", repetition_type: "OPTIONAL" },
  { name: "predictions", num_children: 1, converted_type: "LIST", repetition_type: "OPTIONAL" },
  { name: "list", num_children: 1, repetition_type: "REPEATED" },
  { name: "element", num_children: 3, repetition_type: "REQUIRED" },
  { name: "label", ...TEXT, repetition_type: "REQUIRED" },
  { name: "index", type: "INT32", repetition_type: "REQUIRED" },
  { name: "score", type: "DOUBLE", repetition_type: "REQUIRED" },
  { name: "code", ...TEXT, repetition_type: "OPTIONAL" },
  { name: "message", ...TEXT, repetition_type: "OPTIONAL" },
] as const;

/**
 * The columns `id`, `label` and `score` of the best prediction, `predictions`, a list of `label`, `index` and
 * `score`, and `code` and `message` of an error. The file's metadata have the settings.
 */
export function predictionsParquet(settings: Readonly<Record<string, string>>): {
  add(rows: readonly Row[]): Uint8Array;
  end(): Uint8Array;
} {
  const file = new ParquetRows([...SCHEMA], settings);
  return {
    add(rows) {
      const all = rows.map(({ predictions }) => predictions as readonly Prediction[] | undefined);
      return file.add(rows.length, [
        { name: "id", data: rows.map(({ id }) => id) },
        { name: "label", data: all.map((some) => some?.[0]?.label) },
        { name: "score", data: all.map((some) => some?.[0]?.score) },
        {
          name: "predictions",
          data: all.map((some) =>
            some?.map(({ label, index, score }) => ({ label, index, score }))
          ),
        },
        { name: "code", data: rows.map(({ error }) => error?.code) },
        { name: "message", data: rows.map(({ error }) => error?.message) },
      ]);
    },
    end: () => file.end(),
  };
}

interface Prediction {
  readonly label: string;
  readonly index: number;
  readonly score: number;
}
