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
