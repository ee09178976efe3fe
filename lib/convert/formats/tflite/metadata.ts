/**
 * What a TensorFlow Lite model says for people and apps: how images are prepared, and what the classes are
 * called.
 *
 * @see {@link https://github.com/tensorflow/tflite-support/blob/master/tensorflow_lite_support/metadata/metadata_schema.fbs}
 */

import { Cleanup } from "../../../cleanup.ts";
import type { ByteSource } from "../../../io/byte_source.ts";
import type { Budget } from "../budget.ts";
import type { ImageHint } from "../checkpoint.ts";
import { openEntry, readZipDirectory, type ZipEntry } from "../zip.ts";
import { FlatBuffer, type FlatRange, type FlatTable } from "./flatbuffer.ts";
import type { TfliteTensor } from "./model.ts";

/** What is read of it. */
export interface TfliteMetadata {
  readonly images: ImageHint | undefined;
  readonly labels: readonly string[] | undefined;
}

/** `NormalizationOptions` of the union `ProcessUnitOptions`. */
const NORMALIZATION = 1;
/** `TENSOR_AXIS_LABELS`. */
const LABELS = 2;

const MAX_LABEL_BYTES = 1 << 20;

/** Reads the description, and the files that are packed behind the model. */
export async function readMetadata(
  source: ByteSource,
  range: FlatRange | undefined,
  input: TfliteTensor | undefined,
  budget: Budget,
): Promise<TfliteMetadata> {
  if (range === undefined) return { images: undefined, labels: undefined };
  const root = await new FlatBuffer(source, budget, range.begin).root();
  const [graph] = await root.tables(3);
  const [image] = await graph?.tables(2) ?? [];
  const files: FlatTable[] = [];
  for (const output of await graph?.tables(3) ?? []) files.push(...await output.tables(6));
  return {
    images: image && input && await readNormalization(image, input),
    labels: await readLabels(source, files, budget),
  };
}

async function readNormalization(
  image: FlatTable,
  { type, quantization }: TfliteTensor,
): Promise<ImageHint | undefined> {
  for (const unit of await image.tables(4)) {
    const options = await unit.uint8(0) === NORMALIZATION ? await unit.table(1) : undefined;
    if (options === undefined) continue;
    const [mean, std] = [await options.floats(0), await options.floats(1)];
    if (mean.length === 0 || std.length !== mean.length) return undefined;
    const isInteger = type === "U8" || type === "I8";
    const isPlain = mean.every((value) => value === 0) && std.every((value) => value === 1);
    // Bytes that are not normalized are the integers that stand for the network's numbers.
    const isAsTheyAre = type === "U8" && isPlain && quantization !== undefined;
    if (isInteger && !isAsTheyAre && !isRangeOf(quantization, std)) return undefined;
    const preprocessing = isAsTheyAre
      ? {
        scale: 1,
        mean: [quantization.zeroPoint[0]!],
        std: [1 / quantization.scale[0]!],
      }
      : { scale: 1, mean, std };
    return { preprocessing, colors: "rgb", isRead: true, because: "the model's metadata" };
  }
}

/** Whether normalized bytes fill the range of the integers: some descriptions are another network's. */
function isRangeOf(
  quantization: TfliteTensor["quantization"],
  std: readonly number[],
): boolean {
  const parts = std.map((value) => 1 / value / (quantization?.scale[0] ?? 0));
  return parts.every((part) => part > 0.5 && part < 2);
}

async function readLabels(
  source: ByteSource,
  files: readonly FlatTable[],
  budget: Budget,
): Promise<string[] | undefined> {
  const names = new Set<string>();
  for (const file of files) {
    // Those of a language of its own are translations.
    if (await file.uint8(2) === LABELS && await file.text(3) === "") names.add(await file.text(0));
  }
  if (names.size !== 1) return undefined;
  const entries = await readZipDirectory(source, budget);
  const entry = entries.find(({ name }) => names.has(name));
  return entry === undefined || entry.size > MAX_LABEL_BYTES
    ? undefined
    : await linesOf(source, entry);
}

async function linesOf(source: ByteSource, entry: ZipEntry): Promise<string[]> {
  using opened = new Cleanup();
  const { bytes, begin } = await openEntry(source, entry, opened);
  const text = new Uint8Array(entry.size);
  await bytes.read(begin, text);
  return new TextDecoder().decode(text).trimEnd().split(/\r?\n/);
}
