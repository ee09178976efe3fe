import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { readOnnx } from "../../../lib/convert/formats/onnx/read.ts";
import { choosePreprocessing } from "../../../lib/convert/network/preprocessing.ts";
import { understand } from "../../../lib/convert/network/understand.ts";
import { openConversionSource } from "../../../lib/convert/source.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { forward, networkLayers } from "../../support/float_forward.ts";
import {
  attribute,
  field,
  initializer,
  input,
  integers,
  node,
  output,
  TYPES,
} from "../../support/onnx_file.ts";
import { FLAT, kinds, openOnnx, operatorsOf, VECTOR, W, X } from "../../support/onnx_graph.ts";

const FIXTURES = new URL("../../fixtures/checkpoints/", import.meta.url);

interface Expected {
  readonly preprocessing: "read" | "assumed";
  readonly logits: readonly number[];
}

const EXPECTED: Readonly<Record<string, Expected>> = JSON.parse(
  await Deno.readTextFile(new URL("onnx/expected.json", FIXTURES)),
);

for (const [file, expected] of Object.entries(EXPECTED)) {
  Deno.test(`the network of onnx/${file} has the logits of the tool that wrote it`, async () => {
    const source = await openConversionSource(new URL(`onnx/${file}`, FIXTURES), {});
    const checkpoint = await readOnnx(source.bytes, source.openSibling);
    const { network, images } = await understand(checkpoint, file, {});
    const chosen = choosePreprocessing(network, images, undefined, file);
    assertEquals(chosen.from, expected.preprocessing);
    const { scale, mean, std } = chosen.preprocessing;
    const bytes = await Deno.readFile(new URL("photo.rgb", FIXTURES));
    const values = Float64Array.from(bytes, (byte, i) => (byte * scale - mean[i % 3]) / std[i % 3]);
    const logits = forward(await networkLayers(network, chosen), {
      ...{ height: 64, width: 64, channels: 3 },
      values,
    });
    const largest = Math.max(...expected.logits.map(Math.abs));
    assertEquals(logits.length, expected.logits.length);
    for (const [i, logit] of logits.entries()) {
      // Frameworks compute in float32, this test in float64.
      assertAlmostEquals(logit / largest, expected.logits[i] / largest, 1e-4);
    }
    checkpoint.close();
    source.bytes.close();
  });
}

Deno.test("ONNX: an image's layout is what the first convolution makes of it", async () => {
  const inputOf = async (...parts: number[][]) => (await operatorsOf(...parts))[0];
  const turned = node("Transpose", ["x"], ["t"], [attribute("perm", [0, 3, 1, 2])]);
  assertEquals(
    await inputOf(input("x", [0, 40, 48, 3]), W, turned, node("Conv", ["t", "w"])),
    { kind: "input", layout: "NHWC", height: 40, width: 48, channels: 3 },
  );
  const open = { height: undefined, width: undefined, channels: undefined };
  assertEquals(
    await inputOf(input("x", [0, 0, 0, 0]), W, node("Conv", ["x", "w"])),
    { kind: "input", layout: "NCHW", ...open },
  );
  assertEquals(
    await inputOf(input("x", [1, 40, 48, 3]), node("Flatten", ["x"])),
    { kind: "input", layout: "NHWC", height: 40, width: 48, channels: 3 },
  );
  // What only one kind of processor takes may come before that.
  const blocked = node("Conv", ["x", "w"], ["y"], [], "com.microsoft.nchwc");
  assertEquals(
    await inputOf(input("x", [1, 40, 48, 3]), W, blocked),
    { kind: "input", layout: "NHWC", height: 40, width: 48, channels: 3 },
  );
  // Files of old list their weights among the inputs.
  const listed = await operatorsOf(X, input("w", [2, 3, 3, 3]), W, node("Conv", ["x", "w"]));
  assertEquals(kinds(listed), "input, conv");
});

Deno.test("ONNX: a model's functions are put in the place of their calls", async () => {
  const body = (...nodes: number[][]) =>
    field(25, [
      ...[...field(1, "Block"), ...field(10, "local"), ...field(4, "a"), ...field(5, "b")],
      ...nodes.flatMap((node) => node),
    ]);
  const inner = (...parts: Parameters<typeof node>) => [7 << 3 | 2, ...node(...parts).slice(1)];
  const call = node("Block", ["x"], ["h"], [attribute("slope", 0, true)], "local");
  const again = node("Block", ["h"], ["y"], [attribute("slope", 0.5, true)], "local");
  const alpha = field(5, [...field(1, "alpha"), ...field(21, "slope")]);
  const leaky = body(inner("LeakyRelu", ["a"], ["t"], [alpha]), inner("Identity", ["t"], ["b"]));
  assertEquals(
    kinds(await operatorsOf(X, call, again, leaky)),
    "input, relu, identity, LeakyRelu: it keeps 0.5 of what is negative, identity",
  );
  const own = field(11, [...field(1, "slope"), 2 << 3 | 5, 0, 0, 0x80, 0x3e]);
  const plain = node("Block", ["x"], ["y"], [], "local");
  assertEquals(
    kinds(await operatorsOf(X, plain, body(inner("LeakyRelu", ["a"], ["b"], [alpha]), own))),
    "input, LeakyRelu: it keeps 0.25 of what is negative",
  );
  assertEquals(
    kinds(
      await operatorsOf(
        X,
        plain,
        field(25, [
          ...[...field(1, "Block"), ...field(10, "local"), ...field(4, "a"), ...field(5, "a")],
        ]),
      ),
    ),
    "input, identity",
  );
  const endless = body(
    inner("Block", ["a"], ["t"], [], "local"),
    inner("Block", ["t"], ["b"], [], "local"),
  );
  await assertRejects(
    () => operatorsOf(X, call, again, endless),
    CheckpointFormatError,
    "call each other without an end",
  );
});

Deno.test("ONNX: metadata say how images are prepared", async () => {
  const entry = (key: string, value: string) => field(14, [...field(1, key), ...field(2, value)]);
  const { images } = await openOnnx(
    ...[X, node("Relu", ["x"]), output("y"), entry("Image.BitmapPixelFormat", "Bgr8")],
    entry("Image.NominalPixelRange", "Normalized_0_1"),
  );
  assertEquals(images, {
    preprocessing: { scale: 1 / 255, mean: [0], std: [1] },
    colors: "bgr",
    isRead: true,
    because: "Image.NominalPixelRange",
  });
  // What every object has is no range and no order of colors.
  const other = await openOnnx(
    ...[X, node("Relu", ["x"]), output("y"), entry("Image.BitmapPixelFormat", "toString")],
    entry("Image.NominalPixelRange", "constructor"),
  );
  assertEquals([other.images?.preprocessing, other.images?.colors], ["torch", undefined]);
  const plain = await openOnnx(X, node("Relu", ["x"]), output("y"), field(2, "tf2onnx"));
  assertEquals([plain.images?.preprocessing, plain.images?.isRead], ["caffe", false]);
  const bytes = await openOnnx(
    input("x", [1, 3, 8, 8], TYPES.uint8),
    node("Relu", ["x"]),
    output("y"),
  );
  assertEquals([bytes.images?.preprocessing, bytes.images?.isRead], ["byte", true]);
});

const DAMAGED: readonly (readonly [what: string, message: string, ...parts: number[][]])[] = [
  ["a node without outputs", "Node  (Conv) has no output", node("Conv", ["x", "w"], []), W],
  [
    "a tensor of a negative size",
    "has the shape [-1]",
    field(5, [...integers(1, [-1]), 2 << 3, 1, ...field(8, "w")]),
  ],
  [
    "data in a folder above",
    "lies in ../w, which is no file name",
    field(5, [
      ...[...integers(1, [1]), 2 << 3, 1, ...field(8, "w")],
      ...field(13, [...field(1, "location"), ...field(2, "../w")]),
    ]),
  ],
  [
    "scales that do not fit",
    "3 scales and 3 zero points do not fit axis 0 of [2,4]",
    ...[FLAT, VECTOR, initializer("m", [2, 4], Array(8).fill(1), TYPES.int8)],
    initializer("s", [3], [1, 1, 1]),
    node("DequantizeLinear", ["m", "s"], ["w"], [attribute("axis", 0)]),
  ],
];

for (const [what, message, ...parts] of DAMAGED) {
  Deno.test(`ONNX: ${what} is refused`, async () => {
    const error = await assertRejects(() => openOnnx(...parts), CheckpointFormatError, message);
    assertEquals([error.file, error.code], ["some.onnx", "checkpoint-format"]);
  });
}
