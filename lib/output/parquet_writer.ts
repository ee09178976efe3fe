/** Parquet, written a group of rows at a time. Loaded only when it is asked for, since its package is. */

import { ByteWriter, ParquetWriter } from "hyparquet-writer";

type Schema = ConstructorParameters<typeof ParquetWriter>[0]["schema"];
type Columns = Parameters<ParquetWriter["write"]>[0]["columnData"];

/** What columns of texts are. */
export const TEXT = { type: "BYTE_ARRAY", converted_type: "UTF8" } as const;

/** A Parquet file that is written from its beginning to its end. */
export class ParquetRows {
  readonly #bytes = new ByteWriter();
  readonly #writer: ParquetWriter;

  /** @param metadata Of the file; `program` says what made it. */
  constructor(schema: Schema, metadata: Readonly<Record<string, string>>) {
    this.#writer = new ParquetWriter({
      writer: this.#bytes,
      schema,
      codec: "UNCOMPRESSED",
      statistics: false,
      kvMetadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
      createdBy: metadata.program,
    });
  }

  /** The file's next bytes, with those of a group of so many rows. Valid until more are asked for. */
  add(count: number, columnData: Columns): Uint8Array {
    this.#writer.write({ rowGroupSize: count, columnData });
    return this.#taken();
  }

  /** The file's last bytes. */
  end(): Uint8Array {
    this.#writer.finish();
    return this.#taken();
  }

  #taken(): Uint8Array {
    const bytes = this.#bytes.getBytes();
    this.#bytes.index = 0;
    return bytes;
  }
}
