import { assert, assertEquals, assertRejects } from "@std/assert";
import { convert } from "../../../lib/convert/convert.ts";
import { readBlob } from "../../../lib/convert/formats/caffe/blob.ts";
import { readCaffe } from "../../../lib/convert/formats/caffe/read.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { BytesSource } from "../../../lib/io/byte_source.ts";
import { checkpointLogits, CHECKPOINTS } from "../../support/checkpoint_logits.ts";

const FOLDER = new URL("caffe/", CHECKPOINTS);
const EXPECTED: Record<string, number[]> = JSON.parse(
  await Deno.readTextFile(new URL("expected.json", FOLDER)),
);
/** Both sides compute in float64. */
const TOLERANCE = 1e-6;

for (const [file, expected] of Object.entries(EXPECTED)) {
  Deno.test(`${file} gives the logits of Caffe's network`, async () => {
    const { logits, chosen, network } = await checkpointLogits(new URL(file, FOLDER));
    for (const [i, logit] of logits.entries()) {
      assert(
        Math.abs(logit - expected[i]!) < TOLERANCE,
        `logit ${i}: ${logit}, not ${expected[i]}`,
      );
    }
    assertEquals(network.architecture.input, { height: 64, width: 64, channels: 3 });
    assertEquals([chosen.from, chosen.isBgr], [
      file.startsWith("snapshot") ? "read" : "assumed",
      true,
    ]);
  });
}

type Field = readonly [number: number, value: number | string | readonly Field[]];

/** A message of protocol buffers; a number that is no integer is a float32. */
function message(...fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [value % 128 | 128, ...varint(Math.floor(value / 128))];
  return Uint8Array.from(fields.flatMap(([number, value]) => {
    if (typeof value === "number" && Number.isInteger(value)) {
      return [...varint(number << 3), ...varint(value)];
    }
    if (typeof value === "number") {
      return [...varint(number << 3 | 5), ...new Uint8Array(Float32Array.of(value).buffer)];
    }
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : message(...value);
    return [...varint(number << 3 | 2), ...varint(bytes.length), ...bytes];
  }));
}

/** A layer in place, so that what it gives has the name of what it takes. */
const layer = (type: string, ...fields: Field[]): Field => [
  100,
  [[1, type.toLowerCase()], [2, type], [3, "data"], [4, "data"], ...fields],
];
const POOL = layer("Pooling", [121, [[1, 0], [2, 2], [3, 2]]]);

const REFUSED: readonly (readonly [what: string, layer: Field, said: string])[] = [
  ["a leaky ReLU", layer("ReLU", [123, [[1, 0.125]]]), "its negative_slope is 0.125"],
  ["a local normalization", layer("LRN"), "The LRN lrn"],
  ["a stochastic pool", layer("Pooling", [121, [[1, 2], [2, 2]]]), "its method is stochastic"],
  ["a global max pool", layer("Pooling", [121, [[1, 0], [12, 1]]]), "max of the whole map"],
  ["a power", layer("Power", [122, [[1, 2]]]), "its power is 2"],
  ["another shape", layer("Reshape", [133, [[1, [[1, 0], [1, 7]]]]]), "its shape is [0,7]"],
  ["a PReLU", layer("PReLU"), "The PReLU prelu"],
  ["a sum of two values", layer("Eltwise", [3, "other"]), "The Eltwise eltwise"],
  ["batch normalization without its numbers", layer("BatchNorm"), "it has 0 blobs"],
  ["a scale by another value", layer("Scale", [3, "other"]), "The Scale scale"],
  ["a convolution without weights", layer("Convolution"), "it has no weights"],
];

for (const [what, wrong, said] of REFUSED) {
  Deno.test(`a network of Caffe with ${what} is refused by name`, async () => {
    const error = await assertRejects(
      () => convert(message([1, "VGG"], POOL, wrong)),
      CheckpointFormatError,
      said,
    );
    assertEquals(error.code, "checkpoint-unsupported");
  });
}

Deno.test("a network of Caffe that lacks a pool is refused", async () => {
  const bytes = await Deno.readFile(new URL("conv_head.caffemodel", FOLDER));
  const at = new TextDecoder("latin1").decode(bytes).indexOf("Pooling");
  bytes.set(new TextEncoder().encode("Dropout"), at);
  await assertRejects(
    () => convert(bytes),
    CheckpointFormatError,
    "convolution fc6 of bytes has a 2x2 filter",
  );
});

Deno.test("a layer that replaces what it takes stands behind it", async () => {
  const file = message(POOL, layer("Dropout"), layer("Softmax"));
  const { graph } = await readCaffe(new BytesSource(file, "x.caffemodel"));
  assertEquals(graph?.nodes.map(({ operator }) => operator.kind), [
    "input",
    "maxPool",
    "identity",
    "softmax",
  ]);
  const outputs = graph!.nodes.map(({ output }) => output);
  assertEquals(graph!.nodes.flatMap(({ inputs }) => inputs), outputs.slice(0, -1));
  assertEquals(graph!.outputs, outputs.slice(-1));
});

Deno.test("a mean that is in another file is assumed, and the file is named", async () => {
  const data: Field = [100, [
    [1, "images"],
    [2, "Data"],
    [4, "data"],
    [100, [[3, 64], [4, "/data/ilsvrc12/imagenet_mean.binaryproto"]]],
  ]];
  const { images, graph } = await readCaffe(new BytesSource(message(data, POOL)));
  assertEquals([images?.preprocessing, images?.isRead], ["caffe", false]);
  assertEquals(
    images?.because,
    "usual for Caffe, since imagenet_mean.binaryproto is not in the file",
  );
  const [{ operator }] = graph!.nodes;
  assertEquals(operator.kind === "input" && [operator.height, operator.width], [64, 64]);
});

Deno.test("a mean that is in another file is scaled as the network's images are", async () => {
  const transform: Field = [100, [[1, 0.5], [4, "mean.binaryproto"]]];
  const data: Field = [100, [[1, "images"], [2, "Data"], [4, "data"], transform]];
  const { images } = await readCaffe(new BytesSource(message(data, POOL)));
  const mean = [61.84, 58.3895, 51.9695];
  assertEquals(images?.preprocessing, { scale: 0.5, mean, std: [1, 1, 1] });
  assertEquals([images?.colors, images?.isRead], ["bgr", false]);
});

Deno.test("a network's loss makes scores of its logits, unless something else does", async () => {
  const loss: Field = [100, [
    [1, "loss"],
    [2, "SigmoidCrossEntropyLoss"],
    [3, "data"],
    [3, "label"],
    [4, "loss"],
  ]];
  const kinds = async (...layers: Field[]): Promise<string[]> => {
    const { graph } = await readCaffe(new BytesSource(message(...layers)));
    return graph!.nodes.map(({ operator }) => operator.kind);
  };
  assertEquals(await kinds(POOL, loss), ["input", "maxPool", "sigmoid"]);
  const prob: Field = [100, [[1, "prob"], [2, "Softmax"], [3, "data"], [4, "prob"]]];
  assertEquals(await kinds(POOL, prob, loss), ["input", "maxPool", "softmax"]);
  // A name that every object has is that of no loss.
  assertEquals(await kinds(POOL, layer("constructor")), ["input", "maxPool", "unsupported"]);
});

Deno.test("a blob of no elements is one, whether its floats are written or left out", async () => {
  for (const floats of [[], [[5, ""]]] as Field[][]) {
    const blob: Field = [7, [[7, [[1, 0]]], ...floats]];
    const file = message([100, [[2, "Convolution"], blob]]);
    const { tensors } = await readCaffe(new BytesSource(file, "x.caffemodel"));
    assertEquals(tensors.map(({ shape }) => shape), [[0]]);
    await tensors[0].read({ start: 0, length: 0, stride: 0, count: 1 }, new Float32Array(0));
  }
});

Deno.test("floats that are written one by one are read in runs", async () => {
  const floats = [0.5, -1.5, 2.5, 3.25, -4.75, 5.5];
  const bytes = message(
    [7, [[1, 2], [1, 3]]],
    ...floats.map((value): Field => [5, value]),
  );
  const source = new BytesSource(bytes, "x.caffemodel");
  const all = ({ length }: Uint8Array) => ({ number: 7, wire: 2, begin: 0, end: length }) as const;
  const tensor = await readBlob(source, all(bytes), "fc6", 2);
  assertEquals(tensor.shape, [2, 3]);
  const run = async (start: number, length: number, stride: number, count: number) => {
    const into = new Float32Array(length * count);
    await tensor.read({ start, length, stride, count }, into);
    return [...into];
  };
  assertEquals(await run(0, 6, 0, 1), floats);
  assertEquals(await run(1, 2, 3, 2), [-1.5, 2.5, -4.75, 5.5]);
  assertEquals(await run(2, 1, 2, 2), [2.5, -4.75]);
  // Another field lies between two of them.
  const scattered = message(
    [5, 0.5],
    [7, [[1, 2], [1, 3]]],
    ...floats.slice(1).map((value): Field => [5, value]),
  );
  await assertRejects(
    () => readBlob(new BytesSource(scattered), all(scattered), "fc6", 2),
    CheckpointFormatError,
    "The floats of fc6",
  );
});
