import { assertEquals } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { embeddingsFile, type EmbeddingTable, npyFile } from "../../lib/output/embedding_file.ts";
import read from "../fixtures/embeddings/read.json" with { type: "json" };

const FOLDER = new URL("../fixtures/embeddings/", import.meta.url);

const ROWS = [[0.1, -2.5, 3e38, 1e-45], [], [-0, 1 / 3, 16777217, 5e-324]];

/** Three images of which one could not be read, with maps of 2x1x2. */
const TABLE: EmbeddingTable = {
  settings: { model: 'vgg16 "of" tests', layer: "pool5" },
  shape: [2, 1, 2],
  files: ["a.png", 'no "image", λ.png', "c\n.png"],
  errors: new Map([[1, { message: "cut short" }]]),
  read: (row, into) => into.set(ROWS[row]!),
};

/** The values of all rows as float32 has them, and `null` for those that are not there. */
const VALUES = ROWS.flatMap((row) => row.length === 0 ? Array(4).fill(null) : row.map(Math.fround));

Deno.test("Python's safetensors and NumPy read what is written", async () => {
  // The files are committed as they were read there, by make.py.
  for (
    const [name, encode] of [["rows.safetensors", embeddingsFile], ["rows.npy", npyFile]] as const
  ) {
    assertEquals(concat([...encode(TABLE)]), await Deno.readFile(new URL(name, FOLDER)), name);
  }
  const array = { dtype: "float32", shape: [3, 2, 1, 2], values: VALUES };
  const errors = [{ row: 1, file: TABLE.files[1], error: { message: "cut short" } }];
  const metadata = { ...TABLE.settings, files: TABLE.files, errors };
  assertEquals<unknown>(read, {
    safetensors: { tensors: { embeddings: array }, metadata },
    npy: array,
  });
});
