import { concat } from "@std/bytes/concat";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { convert } from "../../lib/convert/convert.ts";
import { createWasmEngine } from "../../lib/engine/wasm/engine.ts";
import { CheckpointFormatError, WeightsIntegrityError } from "../../lib/errors.ts";
import { type LayerName, layersOf } from "../../lib/model/architecture.ts";
import { IMAGENET_CLASSES } from "../../lib/model/labels.ts";
import { MemoryFile } from "../../lib/io/atomic_file.ts";
import { BytesSource } from "../../lib/io/byte_source.ts";
import { sha256 } from "../../lib/io/sha256.ts";
import { openModel } from "../../lib/model/file.ts";
import { modelBytes } from "../support/model_bytes.ts";
import { type Edited, resealed } from "../support/resealed.ts";
import { sigmoidVgg, smallVgg } from "../support/small_vgg.ts";
import { ModelWriter } from "../../lib/model/writer.ts";
import { encodeSafetensorsHeader, readSafetensorsHeader } from "../../lib/model/safetensors.ts";
import { CIFAR10_FILE } from "../support/cifar10.ts";

const CHECKPOINT = new URL("../fixtures/checkpoints/zip_d.pth", import.meta.url);
const EMBEDDED = CIFAR10_FILE;

async function readEverything(bytes: Uint8Array): Promise<number> {
  const model = await openModel(bytes);
  let total = 0;
  for await (const { data } of model.weights()) total += data.length;
  return total;
}

Deno.test("any damaged byte of a model file is a named error", async () => {
  const { bytes } = await convert(CHECKPOINT);
  assertEquals(await readEverything(bytes), (await openModel(bytes)).weightBytes);
  for (let at = 0; at < bytes.length; at += at < 4000 ? 1 : 37) {
    const damaged = bytes.slice();
    damaged[at] ^= 1 << at % 8;
    const error = await assertRejects(() => readEverything(damaged));
    assert(
      error instanceof WeightsIntegrityError || error instanceof CheckpointFormatError,
      `byte ${at}: ${error}`,
    );
  }
});

Deno.test("a model file that is cut short is a CheckpointFormatError with the place", async () => {
  const bytes = await Deno.readFile(EMBEDDED);
  for (const length of [0, 1, 7, 8, 9, 500, 30_000, 1_048_576, bytes.length - 1]) {
    const error = await assertRejects(
      () => readEverything(bytes.subarray(0, length)),
      CheckpointFormatError,
      "cut short",
    );
    assertEquals(error.offset, length);
  }
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  await assertRejects(() => readEverything(longer), CheckpointFormatError, "must end at byte");
});

Deno.test("openModel() refuses a checkpoint, and says what to do", async () => {
  const file = new URL("../fixtures/checkpoints/timm_e.safetensors", import.meta.url);
  await assertRejects(() => openModel(file), CheckpointFormatError, "Convert it");
});

Deno.test("a model's weights come in pieces of whole channels, again and again", async () => {
  const model = await openModel(EMBEDDED);
  const layers = new Map(layersOf(model.architecture).map((layer) => [layer.name, layer]));
  for (let time = 0; time < 2; time++) {
    const seen = new Map<LayerName, number>();
    for await (const { layer: name, first, count, data } of model.weights()) {
      const { filterSize, inChannels, outChannels } = layers.get(name)!;
      assertEquals(first, seen.get(name) ?? 0);
      assert(count % 16 === 0 || first + count === outChannels);
      assertEquals(data.length, count * filterSize[0] * filterSize[1] * inChannels);
      assert(data.every((w) => w >= -127));
      seen.set(name, first + count);
    }
    assertEquals([...seen.keys()], [...layers.keys()]);
    assert([...seen].every(([name, count]) => count === layers.get(name)!.outChannels));
  }
});

Deno.test("a model's weights stop when the signal is aborted", async () => {
  const model = await openModel(EMBEDDED);
  const abort = new AbortController();
  await assertRejects(async () => {
    for await (const _ of model.weights({ signal: abort.signal })) abort.abort();
  }, DOMException);
});

/** The chunks of the embedded model, and where the first begins. */
const CHUNK = 1 << 20;

async function embedded(): Promise<{ bytes: Uint8Array<ArrayBuffer>; dataBegin: number }> {
  const bytes = await Deno.readFile(EMBEDDED);
  return { bytes, dataBegin: 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true)) };
}

Deno.test("no weight of a damaged chunk is given out, and all of those before it are", async () => {
  const { bytes, dataBegin } = await embedded();
  const whole: Int8Array[] = [];
  for await (const { data } of (await openModel(bytes)).weights()) whole.push(data.slice());
  bytes[dataBegin + 2 * CHUNK + 12345]! ^= 1;
  const damaged = await openModel(bytes);
  let pieces = 0, length = 0;
  const error = await assertRejects(async () => {
    for await (const { data } of damaged.weights()) {
      assertEquals(data, whole[pieces++]);
      length += data.length;
    }
  }, WeightsIntegrityError);
  assert(error.message.startsWith("Chunk 2 of the weights"), error.message);
  const { parameters } = damaged;
  const before = parameters.reduce((sum, { scale }) => sum + 8 * scale.length, 0);
  // All but less than sixteen rows, of 2304 bytes at most.
  assert(length <= 2 * CHUNK - before && length > 2 * CHUNK - before - 16 * 2304, `${length}`);
  const load = createWasmEngine(damaged, { threads: 1 });
  await assertRejects(() => load, WeightsIntegrityError, "Chunk 2");
});

Deno.test("who stops before a damaged chunk is not told of it, then or later", async () => {
  const { bytes, dataBegin } = await embedded();
  bytes[dataBegin + CHUNK]! ^= 1;
  for await (const _ of (await openModel(bytes)).weights()) break;
  // What was read ahead is hashed before this: it fails the test if it is told to nobody.
  for (let n = 0; n < 3; n++) await crypto.subtle.digest("SHA-256", bytes);
});

Deno.test("a file that is cut short or changed after it was opened is an error of its own", async () => {
  const { bytes, dataBegin } = await embedded();
  const path = await Deno.makeTempFile({ suffix: ".safetensors" });
  try {
    await Deno.writeFile(path, bytes);
    const model = await openModel(path);
    const pieces = model.weights()[Symbol.asyncIterator]();
    await pieces.next();
    await Deno.truncate(path, dataBegin + 2 * CHUNK + 5);
    const readOn = async (): Promise<void> => {
      while (!(await pieces.next()).done);
    };
    const cut = await assertRejects(readOn, CheckpointFormatError, "cut short");
    assertEquals([cut.code, cut.offset], ["model-format", dataBegin + 2 * CHUNK + 5]);
    await Deno.writeFile(path, bytes.with(dataBegin + 3 * CHUNK, 99));
    await assertRejects(() => Array.fromAsync(model.weights()), WeightsIntegrityError, "Chunk 3");
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a model's weights are read by several at once, each from the start", async () => {
  const { bytes } = await embedded();
  const model = await openModel(new Blob([bytes]));
  const hash = async (): Promise<string> => {
    const parts: Uint8Array[] = [];
    for await (const { data } of model.weights()) parts.push(new Uint8Array(data));
    return await sha256(...parts);
  };
  const [first, ...others] = await Promise.all([hash(), hash(), hash()]);
  const weights = bytes.subarray(bytes.length - model.weightBytes);
  assertEquals(first, await sha256(weights));
  assertEquals(others, [first, first]);
});

Deno.test("a weight of -128, which no bound assumes, is refused with its layer", async () => {
  const { architecture, preprocessing, labels, parameters, weights } = await openModel(EMBEDDED);
  const file = new MemoryFile();
  const writer = new ModelWriter(file, {
    ...{ id: "wrong", architecture, preprocessing, labels, provenance: {} },
  });
  for (const { name, scale, bias } of parameters) writer.setParameters(name, scale, bias);
  for await (const { layer, first, data } of weights()) {
    if (layer === "conv2_1" && first === 0) data[5] = -128;
    writer.setWeights(layer, first, data);
  }
  await writer.finish({});
  await assertRejects(
    () => readEverything(file.bytes),
    CheckpointFormatError,
    "conv2_1 in bytes must be from -127 to 127: found -128",
  );
});

/** Files that are refused, though their hashes hold, and what is said of them. */
const HOSTILE: readonly (readonly [change: (file: Edited) => void, words: string])[] = [
  ...[0, -1, Infinity, NaN].map((scale) =>
    [
      ({ header, data }: Edited) => {
        const [begin] = header["conv2_1.scale"].data_offsets;
        new DataView(data.buffer).setFloat32(begin + 4, scale, true);
      },
      "The scales of conv2_1 in model bytes must be above 0 and its biases finite",
    ] as const
  ),
  ...[Infinity, -Infinity, NaN].map((bias) =>
    [
      ({ header, data }: Edited) => {
        const [, end] = header["fc8.bias"].data_offsets;
        new DataView(data.buffer).setFloat32(end - 4, bias, true);
      },
      "The scales of fc8 in model bytes must be above 0 and its biases finite",
    ] as const
  ),
  [
    ({ header }) => header["conv1_1.weight"].shape.reverse(),
    "Expected tensor conv1_1.weight I8 [8,3,3,3] in model bytes: found conv1_1.weight I8 [3,3,3,8]",
  ],
  [
    ({ header }) => header["conv1_1.weight"].dtype = "U8",
    "Expected tensor conv1_1.weight I8 [8,3,3,3] in model bytes: found conv1_1.weight U8 [8,3,3,3]",
  ],
  [({ header }) => delete header["fc8.weight"], "must end at byte"],
  [
    (file) => {
      const { length } = file.data;
      file.header.more = { dtype: "I8", shape: [4], data_offsets: [length, length + 4] };
      file.data = concat([file.data, new Uint8Array(4)]);
    },
    "Expected 33 tensors and 1 hashes in model bytes: found 34 and 1",
  ],
  [
    ({ document }) => document.integrity.sha256.push("0".repeat(64)),
    "Expected 33 tensors and 1 hashes in model bytes: found 33 and 2",
  ],
  ...[-4, 4].map((moved) =>
    [
      ({ header }: Edited) => {
        const { data_offsets } = header["fc8.weight"];
        data_offsets[0] += moved;
        data_offsets[1] += moved;
      },
      "Tensor fc8.weight of bytes must begin at byte",
    ] as const
  ),
];

Deno.test("a file that none may be is refused by what is in it, not by its hash", async () => {
  const { model } = await smallVgg(), bytes = await modelBytes(model);
  for (const [change, words] of HOSTILE) {
    const hostile = await resealed(bytes, change);
    await assertRejects(() => readEverything(hostile), CheckpointFormatError, words);
  }
});

Deno.test("a sigmoid of one logit has two labels, of several one each", async () => {
  for (const [logits, labels] of [[1, 2], [3, 3]] as const) {
    const { model } = await sigmoidVgg(logits);
    const opened = await openModel(await modelBytes(model));
    assertEquals([opened.architecture.head, opened.labels.length], ["sigmoid", labels]);
    const wrong = await modelBytes({ ...model, labels: [...model.labels, "more"] });
    const message = `labels must be ${labels} strings`;
    await assertRejects(() => openModel(wrong), CheckpointFormatError, message);
  }
});

Deno.test("a safetensors header that is written is read back", async () => {
  const tensors = [
    { name: "a", dtype: "F32" as const, shape: [2, 3] },
    { name: "b", dtype: "I8" as const, shape: [5] },
  ];
  const header = encodeSafetensorsHeader(tensors, { note: "x" });
  assertEquals(header.length % 8, 0);
  const file = new Uint8Array(header.length + 29);
  file.set(header);
  const read = await readSafetensorsHeader(new BytesSource(file));
  assertEquals(read.metadata, { note: "x" });
  assertEquals(
    read.tensors.map(({ name, begin, end }) => [name, begin - header.length, end - header.length]),
    [["a", 0, 24], ["b", 24, 29]],
  );
  assertThrows(() => encodeSafetensorsHeader(tensors, {}, 16), RangeError);
});

Deno.test("a safetensors entry that is not whole is refused by its tensor's name", async () => {
  const whole = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
  const wrong: [object, string][] = [
    ...[{ data_offsets: [0] }, { data_offsets: [] }, { shape: [3] }, { dtype: 5 }].map((change) =>
      [change, "The entry of tensor a"] as [object, string]
    ),
    [{ dtype: "F31" }, "Tensor a of bytes has elements of type F31, which is not read"],
  ];
  for (const [change, words] of wrong) {
    const json = new TextEncoder().encode(JSON.stringify({ a: { ...whole, ...change } }));
    const file = new Uint8Array(8 + json.length + 8);
    file[0] = json.length;
    file.set(json, 8);
    await assertRejects(
      () => readSafetensorsHeader(new BytesSource(file)),
      CheckpointFormatError,
      words,
    );
  }
});

Deno.test("a safetensors header whose length is absurd is refused before it is read", async () => {
  const file = new Uint8Array(64);
  new DataView(file.buffer).setBigUint64(0, 1n << 60n, true);
  const source = new BytesSource(file);
  await assertRejects(() => readSafetensorsHeader(source), CheckpointFormatError);
});

Deno.test("a safetensors header has 8 MiB at most", async () => {
  const most = 8 << 20;
  for (
    const [length, words] of [[most, "cut short"], [
      most + 1,
      "Expected a safetensors file",
    ]] as const
  ) {
    const file = new Uint8Array(64);
    new DataView(file.buffer).setBigUint64(0, BigInt(length), true);
    const read = () => readSafetensorsHeader(new BytesSource(file));
    await assertRejects(read, CheckpointFormatError, words);
  }
});

Deno.test("ImageNet has 1000 classes whose WordNet ids ascend", () => {
  assertEquals(IMAGENET_CLASSES.length, 1000);
  assert(IMAGENET_CLASSES.every(({ id }) => /^n\d{8}$/.test(id)));
  assert(IMAGENET_CLASSES.every(({ id }, i) => i === 0 || id > IMAGENET_CLASSES[i - 1].id));
  // From the list of the challenge's synsets.
  assertEquals(IMAGENET_CLASSES[0], { id: "n01440764", label: "tench, Tinca tinca" });
  assertEquals(IMAGENET_CLASSES[134], { id: "n02012849", label: "crane" });
  assertEquals(IMAGENET_CLASSES[517], { id: "n03126707", label: "crane" });
  assertEquals(IMAGENET_CLASSES[281].label, "tabby, tabby cat");
  assertEquals(IMAGENET_CLASSES[999].id, "n15075141");
});

Deno.test("a checkpoint in place of a model file is an error that says to convert it", async () => {
  const photo = new URL("../data/photos/cat.png", import.meta.url);
  for (const file of [CHECKPOINT, photo]) {
    const error = await assertRejects(() => openModel(file), CheckpointFormatError, "convert()");
    assertEquals(error.code, "model-format");
  }
});
