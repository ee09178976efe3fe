import { assert, assertEquals, assertRejects } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { convert, type ConvertOptions } from "../../../lib/convert/convert.ts";
import { Budget } from "../../../lib/convert/formats/budget.ts";
import {
  type CheckpointTensor,
  OUTPUTS_FIRST,
  readAll,
} from "../../../lib/convert/formats/checkpoint.ts";
import { readFlax } from "../../../lib/convert/formats/flax/read.ts";
import { isRowMajor, mappedTensor, stridedTensor } from "../../../lib/convert/formats/tensors.ts";
import { withLayouts } from "../../../lib/convert/formats/layouts.ts";
import { openCheckpoint } from "../../../lib/convert/formats/open_checkpoint.ts";
import { choosePreprocessing } from "../../../lib/convert/network/preprocessing.ts";
import { understand } from "../../../lib/convert/network/understand.ts";
import { openConversionSource } from "../../../lib/convert/source.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { openModel } from "../../../lib/model/file.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";
import { forward, modelLayers, networkLayers } from "../../support/float_forward.ts";

const FIXTURES = new URL("../../fixtures/checkpoints/", import.meta.url);
const TENSORS = new URL("tensors/", FIXTURES);

const EXPECTED: Record<string, { answers: ConvertOptions; logits: number[] }> = JSON.parse(
  await Deno.readTextFile(new URL("expected.json", TENSORS)),
);

for (const [file, { answers, logits }] of Object.entries(EXPECTED)) {
  Deno.test(`${file}: layouts are told by shapes, and the logits are Flax'`, async () => {
    const source = await openConversionSource(new URL(file, TENSORS), {});
    const checkpoint = await openCheckpoint(source.bytes, source);
    try {
      const { network, images } = await understand(checkpoint, file, answers);
      const chosen = choosePreprocessing(network, images, "torch", file);
      const { scale, mean, std } = chosen.preprocessing;
      const bytes = Deno.readFileSync(new URL("photo.rgb", FIXTURES));
      const values = Float64Array.from(
        bytes,
        (byte, i) => (byte * scale - mean[i % 3]!) / std[i % 3]!,
      );
      const input = { height: 64, width: 64, channels: 3, values };
      const found = forward(await networkLayers(network, chosen), input);
      const largest = Math.max(...logits.map(Math.abs));
      assertEquals(found.length, logits.length);
      // Flax computes in float32, this test in float64.
      for (const [i, logit] of logits.entries()) {
        assert(
          Math.abs(found[i]! - logit) < 1e-4 * largest,
          `logit ${i}: ${found[i]}, not ${logit}`,
        );
      }
    } finally {
      checkpoint.close();
      source.bytes.close();
    }
  });
}

async function assertRefused(
  input: Parameters<typeof convert>[0],
  code: CheckpointFormatError["code"],
  ...words: string[]
): Promise<void> {
  const error = await assertRejects(() => convert(input), CheckpointFormatError);
  assertEquals(error.code, code, error.message);
  for (const word of words) {
    assert(error.message.includes(word), `"${word}" is not in: ${error.message}`);
  }
}

Deno.test("what is done to images before Flax' and Chainer's networks is asked for", async () => {
  for (const file of ["flax.safetensors", "chainer.npz"]) {
    await assertRefused(
      new URL(file, TENSORS),
      "checkpoint-ambiguous",
      file,
      "--preprocess",
      "torch",
      "caffe",
    );
  }
});

Deno.test("a dense layer shows its outputs by its biases, a filter by its window; the rest follows them", () => {
  const layouts = (tensors: Record<string, number[]>) =>
    withLayouts(
      Object.entries(tensors).map(([name, shape]) => ({
        name,
        shape,
        layout: OUTPUTS_FIRST,
        read() {},
      })),
      OUTPUTS_FIRST,
    ).map(({ layout }) => `${layout.outputs} ${layout.inputs}`);
  const square = { "fc2.weight": [9, 9], "fc2.bias": [9] };
  assertEquals(
    layouts({ "c.weight": [8, 3, 3, 3], "fc1.weight": [9, 8], "fc1.bias": [9], ...square }),
    [
      ...["first CHW", "first CHW", "first CHW", "first CHW", "first CHW"],
    ],
  );
  assertEquals(
    layouts({ "c.kernel": [3, 3, 3, 8], "fc1.kernel": [8, 9], "fc1.bias": [9], ...square }),
    [
      ...["last HWC", "last HWC", "last HWC", "last HWC", "last HWC"],
    ],
  );
  // Paddle's.
  assertEquals(
    layouts({ "c.weight": [8, 3, 3, 3], "fc1.weight": [8, 9], "fc1.bias": [9], ...square }),
    [
      ...["first CHW", "last CHW", "first CHW", "last CHW", "first CHW"],
    ],
  );
  // Nothing tells: what is usual.
  assertEquals(layouts({ "c.weight": [3, 3, 3, 3], ...square }), [
    "first CHW",
    "first CHW",
    "first CHW",
  ]);
});

type Tensors = Record<
  string,
  readonly [dtype: string, shape: readonly number[], values?: ArrayLike<number>]
>;

/** A safetensors file of ones, or of the numbers that are given; types other than F32 have one byte. */
function safetensors(tensors: Tensors): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  const header = Object.fromEntries(
    Object.entries(tensors).map(([name, [dtype, shape, values]]) => {
      const length = shape.reduce((a, b) => a * b, 1);
      const numbers = Array.from({ length }, (_, i) => values?.[i] ?? 1);
      const bytes = dtype === "F32"
        ? new Uint8Array(Float32Array.from(numbers).buffer)
        : new Uint8Array(Int8Array.from(numbers).buffer);
      parts.push(bytes);
      const begin = at;
      at += bytes.length;
      return [name, { dtype, shape, data_offsets: [begin, at] }];
    }),
  );
  const text = new TextEncoder().encode(JSON.stringify(header));
  return concat([new Uint8Array(BigUint64Array.of(BigInt(text.length)).buffer), text, ...parts]);
}

async function tensorsOf(file: Uint8Array): Promise<Map<string, CheckpointTensor>> {
  const budget = new Budget("x.safetensors", file.length);
  const source = new BytesSource(file, "x.safetensors");
  const openSibling = () => Promise.reject(new Error("none"));
  const { tensors } = await openCheckpoint(source, { budget, openSibling });
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

Deno.test("int8 weights of safetensors are multiplied with their scales, and refused without", async () => {
  const tensors = await tensorsOf(safetensors({
    "a.weight": ["I8", [2, 3], [1, -2, 3, 4, 5, -6]],
    "a.weight_scale": ["F32", [2, 1], [0.5, 2]],
    "b.weight": ["F32", [2], [1, 2]],
    "b.mask": ["BOOL", [1]],
  }));
  assertEquals([...tensors.keys()], ["a.weight", "b.weight"]);
  assertEquals([...await readAll(tensors.get("a.weight")!)], [0.5, -1, 1.5, 8, 10, -12]);
  await assertRefused(
    safetensors({ "a.weight": ["I8", [2, 3]] }),
    "checkpoint-unsupported",
    "a.weight",
    "I8",
  );
  await assertRefused(
    safetensors({ "a.weight": ["F8_E4M3", [2, 3]] }),
    "checkpoint-unsupported",
    "a.weight",
    "F8_E4M3",
  );
});

Deno.test("a network in several files is read by its index, which leads to no other place", async () => {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const whole = await Deno.readFile(new URL("timm_e.safetensors", FIXTURES));
    const tensors = [...(await tensorsOf(whole)).values()];
    const names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    const place = (index: number): string => names[Number(index >= 20)]!;
    for (const name of names) {
      const own = tensors.filter((_, index) => place(index) === name);
      const parts = await Promise.all(
        own.map(async (tensor) =>
          [tensor.name, ["F32", [...tensor.shape], [...await readAll(tensor)]]] as const
        ),
      );
      await Deno.writeFile(
        `${folder}/${name}`,
        safetensors(Object.fromEntries(parts)),
      );
    }
    const index = `${folder}/model.safetensors.index.json`;
    const write = (map: Record<string, unknown>) =>
      Deno.writeTextFile(index, JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }));
    const map = Object.fromEntries(tensors.map(({ name }, i) => [name, place(i)]));
    await write(map);
    const layers = async (input: Parameters<typeof convert>[0]) =>
      await modelLayers(await openModel((await convert(input)).bytes));
    assertEquals(await layers(index), await layers(new URL("timm_e.safetensors", FIXTURES)));

    await assertRefused(`${folder}/${names[0]}`, "checkpoint-unsupported", names[0]!, "index.json");
    const [name] = Object.keys(map);
    for (const elsewhere of ["../model.safetensors", "/etc/passwd", "..", 7]) {
      await write({ ...map, [name!]: elsewhere });
      await assertRefused(index, "checkpoint-format", "model.safetensors.index.json", "file");
    }
    await write({ ...map, [name!]: "model-00003-of-00003.safetensors" });
    await assertRefused(index, "checkpoint-format", "model-00003-of-00003.safetensors");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("lists of arrays, and arrays without names, are refused by that", async () => {
  // A pickled list in an array of objects: `np.save` of `model.get_weights()`, which has two arrays of objects.
  await assertRefused(npy("(lp0\n."), "checkpoint-unsupported", "names are missing");
  await assertRefused(npy("I1\n."), "checkpoint-unsupported", "something else");
});

/** A `.npy` of one object. */
function npy(pickle: string): Uint8Array {
  const header = "{'descr': '|O', 'fortran_order': False, 'shape': (), }\n";
  return new TextEncoder().encode(header).reduce(
    (bytes, byte, i) => (bytes[10 + i] = byte, bytes),
    Uint8Array.from([
      ...[0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0],
      ...new Uint8Array(header.length),
      ...new TextEncoder().encode(pickle),
    ]),
  );
}

Deno.test("MessagePack that is damaged, or nested without end, is refused", async () => {
  const file = await Deno.readFile(new URL("norm.msgpack", TENSORS));
  const read = (bytes: Uint8Array) => {
    const copy = new Uint8Array(bytes);
    return readFlax(new BytesSource(copy, "x.msgpack"), new Budget("x.msgpack", copy.length));
  };
  const { tensors, epsilon } = await read(file);
  assertEquals(tensors.length, 8 * 6 + 3 * 2);
  // That of flax.linen.BatchNorm, which no file says.
  assertEquals(epsilon, 1e-5);
  const refuse = async (bytes: Uint8Array, ...words: string[]) => {
    const { message } = await assertRejects(() => read(bytes), CheckpointFormatError);
    for (const word of ["x.msgpack", ...words]) assert(message.includes(word), message);
  };
  await refuse(file.subarray(0, -1), "left");
  await refuse(Uint8Array.from([...file, 0]), "behind its end");
  await refuse(new Uint8Array(100).fill(0x91), "deep");
  await refuse(Uint8Array.of(0x81, 0xa1, 0x61, 0xc1), "begins no value");
  // A list of four thousand million.
  await refuse(Uint8Array.of(0x81, 0xa1, 0x61, 0xdd, 0xff, 0xff, 0xff, 0xff, 1));
  await refuse(Uint8Array.of(0x81, 0xa1, 0x61, 1), "no array");
  // An array whose shape is larger than its bytes.
  const text = (word: string) => [0xa0 + word.length, ...new TextEncoder().encode(word)];
  const array = [0x93, 0x92, 9, 9, ...text("float32"), 0xc4, 4, 0, 0, 0, 0];
  await refuse(Uint8Array.from([0x81, ...text("w"), 0xc7, array.length, 1, ...array]), "[9,9]");
  // Damage anywhere gives tensors or a named error.
  for (let at = 0; at < 3000; at += 7) {
    const damaged = new Uint8Array(file);
    damaged[at] ^= 0xff;
    await read(damaged).catch((error) =>
      assert(error instanceof CheckpointFormatError, error.stack)
    );
  }
});

Deno.test("tensors that are computed of each other are read, however many there are", async () => {
  const first: CheckpointTensor = {
    ...{ name: "first", shape: [2], layout: OUTPUTS_FIRST },
    read: (_, into) => into.set([1, 2]),
  };
  let added = first;
  for (let i = 0; i < 20_000; i++) added = mappedTensor(added, (value) => value + 1);
  assertEquals(await readAll(added), Float32Array.of(20_001, 20_002));
  let turned = first;
  for (let i = 0; i < 20_000; i++) turned = stridedTensor(turned, [2], [1]);
  assertEquals(await readAll(turned), Float32Array.of(1, 2));
});

Deno.test("a mapped tensor tells each element's place, in whatever runs it is read", async () => {
  const zeros: CheckpointTensor = {
    ...{ name: "zeros", shape: [4, 5], layout: OUTPUTS_FIRST },
    read: (_, into) => void into.fill(0),
  };
  const places = mappedTensor(zeros, (_, index) => index);
  assertEquals([...await readAll(places)], Array.from({ length: 20 }, (_, index) => index));
  const columns = new Float32Array(8);
  await places.read({ start: 1, length: 2, stride: 5, count: 4 }, columns);
  assertEquals([...columns], [1, 2, 6, 7, 11, 12, 16, 17]);
});

Deno.test("a tensor that lies in its usual order is known by its strides, and need not be held", () => {
  const usual = [
    [[2, 3, 4], [12, 4, 1]],
    [[2, 1, 4], [4, 99, 1]], // Of one element no stride is ever taken.
    [[1, 1], [7, 7]],
    [[], []],
  ] as const;
  for (const [shape, strides] of usual) assert(isRowMajor(shape, strides), `${shape}: ${strides}`);
  for (const [shape, strides] of [[[2, 3], [1, 2]], [[2, 3], [3, 2]], [[4], [2]]] as const) {
    assert(!isRowMajor(shape, strides), `${shape}: ${strides}`);
  }
});
