import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { convert } from "../../lib/convert/convert.ts";
import { CheckpointFormatError } from "../../lib/errors.ts";
import { BytesSource } from "../../lib/io/byte_source.ts";
import { parseModelDocument } from "../../lib/model/document.ts";
import { openModel } from "../../lib/model/file.ts";
import type { Model } from "../../lib/model/model.ts";
import { readSafetensorsHeader } from "../../lib/model/safetensors.ts";
import { CIFAR10_FILE } from "../support/cifar10.ts";
import { modelBytes } from "../support/model_bytes.ts";
import { type Edited, resealed } from "../support/resealed.ts";
import { smallVgg } from "../support/small_vgg.ts";

const CHECKPOINT = new URL("../fixtures/checkpoints/zip_d.pth", import.meta.url);

/** The text of a model file's document. */
async function documentOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return (await readSafetensorsHeader(new BytesSource(bytes))).metadata.model!;
}

type Scoring = Pick<Model, "temperature" | "sureScore">;

Deno.test("what a document says of scores is read as it was written, and raises its version", async () => {
  const { model } = await smallVgg();
  const versions: [number, Scoring][] = [
    [1, {}],
    [1, { temperature: 1 }],
    [2, { temperature: 1.75 }],
    [2, { sureScore: 0 }],
    [2, { temperature: 0.5, sureScore: 1 }],
  ];
  for (const [version, scoring] of versions) {
    const bytes = await modelBytes({ ...model, ...scoring });
    assertEquals(JSON.parse(await documentOf(bytes)).version, version);
    const { temperature, sureScore } = await openModel(bytes);
    assertEquals({ temperature, sureScore }, {
      temperature: scoring.temperature,
      sureScore: scoring.sureScore,
    });
  }
});

Deno.test("a document without them has neither name, and so has its model", async () => {
  const bytes = await Deno.readFile(CIFAR10_FILE), model = await openModel(bytes);
  const document = JSON.parse(await documentOf(bytes));
  for (const name of ["temperature", "sureScore"]) {
    assertEquals([Object.hasOwn(document, name), Object.hasOwn(model, name)], [false, false]);
  }
  assertEquals(await modelBytes(model), bytes);
});

/** Values that are refused, and what is said of them. */
const WRONG = [
  ...[0, -1, 1e-320, 1e308, Infinity, NaN, "2", null, [1]].map((temperature) =>
    [
      { temperature },
      "temperature must be a number from 0.001 to 1000, or be left out: found",
    ] as const
  ),
  ...[-0.01, 1.01, NaN, "0.9", null, true].map((sureScore) =>
    [{ sureScore }, "sureScore must be a number from 0 to 1, or be left out: found"] as const
  ),
];

Deno.test("a temperature out of range, or a sure score that is no score, is refused", async () => {
  const { model } = await smallVgg(),
    document = JSON.parse(await documentOf(await modelBytes(model)));
  for (const [wrong, words] of WRONG) {
    // Of what is not finite JSON makes null.
    const json = JSON.stringify({ ...document, ...wrong });
    assertThrows(() => parseModelDocument(json, "m.safetensors"), CheckpointFormatError, words);
    const unchecked = { ...model, ...wrong } as Model; // As a program in JavaScript may have it.
    await assertRejects(() => modelBytes(unchecked), RangeError, words);
    const options = wrong as Scoring;
    await assertRejects(() => convert(CHECKPOINT, options), RangeError, Object.keys(wrong)[0]);
  }
});

Deno.test("a document of version 1 has nothing that a reader of version 1 would pass over", async () => {
  const { model } = await smallVgg();
  const document = JSON.parse(await documentOf(await modelBytes(model)));
  for (const more of [{ temperature: 2 }, { sureScore: 0.5 }]) {
    const text = (version: number) => JSON.stringify({ ...document, ...more, version });
    assertThrows(
      () => parseModelDocument(text(1), "m"),
      CheckpointFormatError,
      "version must be 2",
    );
    assertEquals(parseModelDocument(text(2), "m").version, 2);
  }
});

Deno.test("convert() writes a temperature and a sure score", async () => {
  const { bytes } = await convert(CHECKPOINT, { temperature: 1.3, sureScore: 0.8 });
  const { temperature, sureScore } = await openModel(bytes);
  assertEquals([temperature, sureScore], [1.3, 0.8]);
});

/** Documents that are refused, though their file's hashes hold, and what is said of them. */
const HOSTILE:
  readonly (readonly [change: (document: Edited["document"]) => void, words: string])[] = [
    ...[0, 4, 1.5, -1, "1", null].map((version) =>
      [
        (d: Edited["document"]) => d.version = version,
        `expected a version from 1 to 3, found ${JSON.stringify(version)}`,
      ] as const
    ),
    [(d) => d.id = "", "id must be a string"],
    [(d) => d.id = 5, "id must be a string"],
    [(d) => d.labels.push("more"), "labels must be 5 strings"],
    [(d) => d.labels.pop(), "labels must be 5 strings"],
    [(d) => d.labels[1] = 1, "labels must be strings"],
    [(d) => d.labels = { length: 5 }, "labels must be strings"],
    [(d) => d.ids = ["n1", "n2"], "ids must be 5 strings"],
    [(d) => d.ids = [1, 2, 3, 4, 5], "ids must be 5 strings"],
    [(d) => d.ids = Array(5).fill("n1"), "ids must differ"],
    [(d) => d.architecture = null, "architecture.configuration must be one of A"],
    [
      (d) => d.architecture.configuration = "toString",
      "architecture.configuration must be one of A",
    ],
    ...[0, 8193, 32.5, "32"].flatMap((size) =>
      ["height", "width"].map((side) =>
        [
          (d: Edited["document"]) => d.architecture.input[side] = size,
          "architecture.input must be height, width and 1 or 3 channels",
        ] as const
      )
    ),
    ...[0, 2, 4, "3"].map((channels) =>
      [
        (d: Edited["document"]) => d.architecture.input.channels = channels,
        "architecture.input must be height, width and 1 or 3 channels",
      ] as const
    ),
    ...[0, -4, 2 ** 20 + 1, 4.5, "4"].flatMap((size) =>
      ["convolutions", "dense"].map((kind) =>
        [
          (d: Edited["document"]) => d.architecture[kind][0] = size,
          "architecture.convolutions and .dense must be lists of sizes",
        ] as const
      )
    ),
    [(d) => d.architecture.convolutions.pop(), "convolution"],
    [(d) => d.architecture.pooling = "max", 'architecture.pooling must be "flatten" or "average"'],
    [(d) => d.architecture.head = "none", 'architecture.head must be "softmax" or "sigmoid"'],
    [(d) => d.preprocessing = [], "preprocessing.resize must be"],
    [(d) => d.preprocessing.size = 31, "preprocessing.size must be at least the input size, 32x32"],
    [(d) => d.preprocessing.size = 16385, "preprocessing.size must be a number of pixels"],
    [(d) => d.preprocessing.filter = "nearest", 'preprocessing.filter must be "bilinear"'],
    [(d) => d.preprocessing.grayscale = 1, "preprocessing.grayscale must be true or false"],
    [(d) => d.preprocessing.standardize = "all", 'preprocessing.standardize must be "image"'],
    [(d) => d.preprocessing.whitening = {}, "preprocessing.whitening must be zca"],
    ...[0, -1, "1", null].map((scale) =>
      [
        (d: Edited["document"]) => d.preprocessing.scale = scale,
        "preprocessing.scale must be above 0",
      ] as const
    ),
    [(d) => d.preprocessing.mean = [0, 0], "preprocessing.mean must be 3 numbers"],
    [(d) => d.preprocessing.mean[2] = null, "preprocessing.mean must be 3 numbers"],
    [(d) => d.preprocessing.std = [1, 1, 1, 1], "preprocessing.std must be 3 numbers above 0"],
    [(d) => d.preprocessing.std[0] = 0, "preprocessing.std must be 3 numbers above 0"],
    [(d) => d.provenance = "mine", "provenance must be an object"],
    ...[0, 2 ** 26 + 1, 0.5, "1"].map((bytes) =>
      [
        (d: Edited["document"]) => d.integrity.chunkBytes = bytes,
        "integrity must have chunkBytes and the sha256 of each chunk",
      ] as const
    ),
    ...["", "0".repeat(63), "G".repeat(64), "A".repeat(64), 5].map((hash) =>
      [
        (d: Edited["document"]) => d.integrity.sha256[0] = hash,
        "integrity must have chunkBytes and the sha256 of each chunk",
      ] as const
    ),
  ];

Deno.test("a document that none may be is refused by what it says, not by its hash", async () => {
  const { model } = await smallVgg(), bytes = await modelBytes(model);
  assertEquals(await openModel(await resealed(bytes, () => {})).then(({ id }) => id), model.id);
  for (const [change, words] of HOSTILE) {
    const hostile = await resealed(bytes, ({ document }) => change(document));
    const error = await assertRejects(() => openModel(hostile), CheckpointFormatError, words);
    assertEquals(error.code, "model-format", words);
  }
});
