import { assert, assertEquals, assertObjectMatch, assertRejects } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { type Checkpoint, readAll } from "../../../lib/convert/formats/checkpoint.ts";
import { openCheckpoint } from "../../../lib/convert/formats/open_checkpoint.ts";
import { choosePreprocessing } from "../../../lib/convert/network/preprocessing.ts";
import { understand } from "../../../lib/convert/network/understand.ts";
import { openConversionSource } from "../../../lib/convert/source.ts";
import { CheckpointFormatError } from "../../../lib/errors.ts";
import { forward, networkLayers } from "../../support/float_forward.ts";

const CHECKPOINTS = new URL("../../fixtures/checkpoints/", import.meta.url);
const FIXTURES = new URL("pytorch/", CHECKPOINTS);

/** What PyTorch gives for the photo, by the file's name and, of several, the network's. */
const EXPECTED: Record<string, number[]> = JSON.parse(
  await Deno.readTextFile(new URL("expected.json", FIXTURES)),
);
const PHOTO = Deno.readFileSync(new URL("photo.rgb", CHECKPOINTS));

/** PyTorch computes in float32, this test in float64. */
const TOLERANCE = 1e-4;

/** Opens a fixture, or bytes in its place. */
async function withCheckpoint<T>(
  file: string | Uint8Array,
  use: (checkpoint: Checkpoint) => Promise<T> | T,
  state?: string,
): Promise<T> {
  const input = typeof file === "string" ? new URL(file, FIXTURES) : file;
  const source = await openConversionSource(input, {});
  try {
    const checkpoint = await openCheckpoint(source.bytes, { ...source, state });
    try {
      if ("inGraphOrder" in checkpoint) throw new Error("a reader of the old kind");
      return await use(checkpoint);
    } finally {
      checkpoint.close();
    }
  } finally {
    source.bytes.close();
  }
}

async function logitsOf(checkpoint: Checkpoint, file: string): Promise<Float64Array> {
  const { network, images } = await understand(checkpoint, file, { inputSize: 64 });
  const chosen = choosePreprocessing(network, images, undefined, file);
  const { scale, mean, std } = chosen.preprocessing;
  const values = Float64Array.from(PHOTO, (byte, i) => (byte * scale - mean[i % 3]) / std[i % 3]);
  const layers = await networkLayers(network, chosen);
  return forward(layers, { height: 64, width: 64, channels: 3, values });
}

for (const [name, expected] of Object.entries(EXPECTED)) {
  const [file, state] = name.split("#");
  Deno.test(`${name} is read with the logits that PyTorch gives`, async () => {
    await withCheckpoint(file, async (checkpoint) => {
      const logits = await logitsOf(checkpoint, file);
      const largest = Math.max(...expected.map(Math.abs));
      assertEquals(logits.length, expected.length);
      for (const [i, logit] of logits.entries()) {
        const error = Math.abs(logit - expected[i]) / largest;
        assert(error < TOLERANCE, `logit ${i}: ${logit}, PyTorch has ${expected[i]}`);
      }
    }, state);
  });
}

/** The files whose graph is read, not inferred. */
const GRAPHS = ["module.pt", "module_older.pt", "traced.pt", "frozen.pt", "exported.pt2"];

Deno.test("whole modules, TorchScript and exported programs have a graph, others the order of their names", async () => {
  for (const file of [...GRAPHS, "exported_files.pt2"]) {
    await withCheckpoint(file, ({ graph }) => assert(graph !== undefined, file));
  }
  await withCheckpoint("python2.pth", ({ graph, order, tensors }) => {
    assertEquals([graph, order], [undefined, "declared"]);
    assertEquals(tensors.slice(0, 3).map(({ name, shape }) => [name, shape]), [
      ["features.0.weight", [4, 3, 3, 3]],
      ["features.0.bias", [4]],
      ["features.3.weight", [4, 4, 3, 3]],
    ]);
  });
});

Deno.test("of several networks in a file one is chosen by its name, and none is guessed", async () => {
  const error = await assertRejects(
    () => withCheckpoint("several.pth", () => {}),
    CheckpointFormatError,
    "holds more than one network: model, model_ema",
  );
  assertEquals(error.code, "checkpoint-ambiguous");
  await assertRejects(
    () => withCheckpoint("several.pth", () => {}, "ema"),
    RangeError,
    'Expected a state dictionary "ema" in',
  );
});

/** A zip archive of stored files, as `torch.save` writes it. */
function archiveOf(files: Record<string, Uint8Array | string>): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [], directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, contents] of Object.entries(files)) {
    const data = typeof contents === "string" ? bytesOf(contents) : contents;
    const text = encoder.encode(name);
    const local = new Uint8Array(30), entry = new Uint8Array(46);
    for (
      const [header, at, signature] of [[local, 0, 0x04034b50], [entry, 2, 0x02014b50]] as const
    ) {
      const view = new DataView(header.buffer);
      view.setUint32(0, signature, true);
      view.setUint32(18 + at, data.length, true);
      view.setUint32(22 + at, data.length, true);
      view.setUint16(26 + at, text.length, true);
    }
    new DataView(entry.buffer).setUint32(42, offset, true);
    parts.push(local, text, data);
    directory.push(entry, text);
    offset += local.length + text.length + data.length;
  }
  const end = new Uint8Array(22), view = new DataView(end.buffer);
  view.setUint32(0, 0x06054b50, true);
  view.setUint16(10, Object.keys(files).length, true);
  view.setUint32(12, directory.reduce((sum, part) => sum + part.length, 0), true);
  view.setUint32(16, offset, true);
  return new Uint8Array(concat([...parts, ...directory, end]));
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const text = (value: string): string => `X${int32(value.length)}${value}`;
const int32 = (value: number): string =>
  String.fromCharCode(...new Uint8Array(new Int32Array([value]).buffer));
const numbers = (values: readonly number[]): string =>
  `(${values.map((n) => `J${int32(n)}`).join("")}t`;

/** What rebuilds a tensor of a storage of floats, as a pickle has it. */
function tensorOf(key: string, elements: number, shape: number[], strides: number[]): string {
  const storage = `(${text("storage")}ctorch\nFloatStorage\n${text(key)}${text("cpu")}J${
    int32(elements)
  }tQ`;
  const made = "ctorch._utils\n_rebuild_tensor_v2\n";
  return `${made}(${storage}K\0${numbers(shape)}${numbers(strides)}\x89}tR`;
}

const dictionaryOf = (entries: Record<string, string>): string =>
  `}(${Object.entries(entries).map(([name, value]) => text(name) + value).join("")}u`;

/** A file of `torch.save`, of the opcodes of a value. */
function savedFile(value: string, storages: Record<string, Uint8Array> = {}, byteorder?: string) {
  return archiveOf({
    "a/data.pkl": `\x80\x02${value}.`,
    ...(byteorder && { "a/byteorder": byteorder }),
    ...Object.fromEntries(Object.entries(storages).map(([key, data]) => [`a/data/${key}`, data])),
  });
}

function floats(values: readonly number[], isLittle = true): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, index) => view.setFloat32(4 * index, value, isLittle));
  return new Uint8Array(view.buffer);
}

async function valuesOf(file: Uint8Array): Promise<Record<string, number[]>> {
  return await withCheckpoint(file, async ({ tensors }) => {
    const values: Record<string, number[]> = {};
    for (const tensor of tensors) values[tensor.name] = [...await readAll(tensor)];
    return values;
  });
}

Deno.test("an exported program whose weights are no file of PyTorch is refused", async () => {
  const empty = archiveOf({ "weights/version": "3" });
  const file = archiveOf({
    "serialized_exported_program.json": "{}",
    "serialized_state_dict.pt": empty,
  });
  const open = () => withCheckpoint(file, () => {});
  await assertRejects(open, CheckpointFormatError, "Expected data.pkl in");
});

Deno.test("a file that a big-endian machine has written is read", async () => {
  const value = dictionaryOf({ w: tensorOf("0", 4, [2, 2], [2, 1]) });
  for (const order of ["little", "big"]) {
    const data = floats([1, 2, 3, 4], order === "little");
    assertEquals(await valuesOf(savedFile(value, { 0: data }, order)), { w: [1, 2, 3, 4] });
  }
});

Deno.test("a layer of integers with one scale is read as its floats, and refused without the layer's", async () => {
  const storage = `(${text("storage")}ctorch\nQUInt8Storage\n${text("0")}${text("cpu")}K\x04tQ`;
  const float = (value: number) =>
    `G${String.fromCharCode(...new Uint8Array(new Float64Array([value]).buffer).reverse())}`;
  const quantizer = `(ctorch\nper_tensor_affine\n${float(0.5)}K\x03t`;
  const sizes = `${numbers([2, 2])}${numbers([2, 1])}`;
  const weight = `ctorch._utils\n_rebuild_qtensor\n(${storage}K\0${sizes}${quantizer}\x89}tR`;
  const storages = { 0: Uint8Array.of(0, 3, 5, 255) };
  const layer = dictionaryOf({ "fc.weight": weight, "fc.scale": tensorOf("1", 1, [], []) });
  const file = savedFile(layer, { ...storages, 1: floats([1]) });
  assertEquals(await valuesOf(file), { "fc.weight": [-1.5, 0, 1, 126] });
  await assertRejects(
    () => valuesOf(savedFile(dictionaryOf({ "fc.weight": weight }), storages)),
    CheckpointFormatError,
    "fc.weight of bytes is quantized, and its layer has no scale",
  );
});

/** What makes an array of numpy, whose bytes Python 3 writes for Python 2 as a text. */
function arrayOf(values: readonly number[], shape: readonly number[]): string {
  const encoded = new TextEncoder().encode(String.fromCharCode(...floats(values)));
  let utf8 = "";
  for (const byte of encoded) utf8 += String.fromCharCode(byte);
  const made = `cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0t${text("b")}tR`;
  const dtype = `cnumpy\ndtype\n(${text("f4")}K\0K\x01tR(K\x03${text("<")}NNNtb`;
  const data = `c_codecs\nencode\n(${text(utf8)}${text("latin1")}tR`;
  return `${made}(K\x01${numbers(shape)}${dtype}\x89${data}tb`;
}

const pickled = (value: string): Uint8Array => bytesOf(`\x80\x02${value}.`);

Deno.test("arrays that Python 3 has written for Python 2 are read, also those of long texts", async () => {
  const expected = Array.from({ length: 512 }, (_, i) => i / 3 - 40).map(Math.fround);
  const file = pickled(dictionaryOf({ w: arrayOf(expected, [512]), b: arrayOf([1, -2], [2]) }));
  assertEquals(await valuesOf(file), { w: expected, b: [1, -2] });
});

Deno.test("arrays lie as their shapes tell, and Paddle's dense weights the other way round", async () => {
  const zeros = (...shape: number[]) =>
    arrayOf(Array(shape.reduce((a, b) => a * b)).fill(0), shape);
  const layouts = async (arrays: Record<string, string>) =>
    await withCheckpoint(pickled(dictionaryOf(arrays)), ({ format, tensors }) => [
      format,
      ...tensors.map(({ layout }) => `${layout.outputs} ${layout.inputs}`),
    ]);
  const square = { "fc.weight": zeros(4, 4) };
  const torch = { "conv.weight": zeros(4, 2, 3, 3), ...square };
  assertEquals(await layouts(torch), ["PyTorch", "first CHW", "first CHW"]);
  const paddle = { ...torch, "StructuredToParameterName@@": "}" };
  assertEquals(await layouts(paddle), ["Paddle", "first CHW", "last CHW"]);
  const tensorflow = { "conv.weight": zeros(3, 3, 2, 4), ...square };
  assertEquals(await layouts(tensorflow), ["PyTorch", "last HWC", "last HWC"]);
});

Deno.test("lists around a state dictionary, pairs of names, and layers that are dictionaries are read", async () => {
  const storages = { 0: floats([1, 2, 3, 4]) };
  const filter = tensorOf("0", 4, [2, 2, 1, 1], [2, 1, 1, 1]);
  const state = dictionaryOf({ "conv.weight": filter });
  const named = async (value: string) => Object.keys(await valuesOf(savedFile(value, storages)));
  assertEquals(await named(`](K\x03${state}e`), ["conv.weight"]);
  assertEquals(await named(`](${text("conv.weight")}${filter}\x86e`), ["conv.weight"]);
  const layer = dictionaryOf({ weight: filter });
  const layers = dictionaryOf({ conv1: layer, conv2: layer.replace("weight", "kernel") });
  assertEquals(await named(layers), ["conv1.weight", "conv2.kernel"]);
  assertEquals(await named(dictionaryOf({ conv1: `(${filter}Nl` })), ["conv1.weights"]);
});

/** A TorchScript archive of a module with a filter, whose `forward` is of these lines. */
function scriptOf(...lines: string[]): Uint8Array {
  const filter = tensorOf("0", 9, [1, 1, 3, 3], [9, 9, 3, 1]);
  const module = `c__torch__\nNet\n)\x81${dictionaryOf({ training: "\x88", weight: filter })}b`;
  const head = ["class Net(Module):", "  weight : Tensor", "  def forward(self: __torch__.Net,"];
  const body = ["    x: Tensor) -> Tensor:", ...lines.map((line) => `    ${line}`), ""];
  return archiveOf({
    "a/data.pkl": `\x80\x02${module}.`,
    "a/data/0": floats([1, 2, 3, 4, 5, 6, 7, 8, 9]),
    "a/constants.pkl": "\x80\x02).",
    "a/code/__torch__.py": [...head, ...body].join("\n"),
  });
}

Deno.test("the code of a TorchScript module is followed to the operators of its graph", async () => {
  const file = scriptOf(
    "weight = self.weight",
    "if self.training:",
    "  y = torch.dropout(x, 0.5, True)",
    "else:",
    "  y = x",
    "_0 = torch.conv2d(y, weight, None, [2, 2], [1, 1], [1, 1], 1)",
    "_1 = __torch__.torch.nn.functional.leaky_relu(torch.relu_(_0), 0.1, False, )",
    "return torch.flatten(_1, 1)",
  );
  await withCheckpoint(file, ({ graph, tensors }) => {
    const [input, conv, relu, leaky, flatten] = graph!.nodes;
    assertEquals(graph!.nodes.length, 5);
    assertEquals(input.operator.kind, "input");
    assertEquals(conv.operator, {
      kind: "conv",
      weight: tensors[0],
      bias: undefined,
      ...{ stride: [2, 2], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1, layout: "NCHW" },
    });
    assertEquals(relu.operator, { kind: "relu" });
    assertEquals(leaky.operator, { kind: "unsupported", type: "leaky_relu", because: undefined });
    assertEquals(flatten.operator, { kind: "flatten" });
    assertEquals([leaky.inputs, graph!.outputs], [[relu.output], [flatten.output]]);
    // What no module of the network's has a name for is called as its operator.
    const names = [conv, relu, leaky, flatten].map(({ name }) => name);
    assertEquals(names, ["conv2d", "relu_", "leaky_relu", "flatten"]);
  });
});

Deno.test("what an operator writes to its input is seen by all that follow", async () => {
  const way = async (...lines: string[]): Promise<string[]> => {
    const kinds: string[] = [];
    await withCheckpoint(scriptOf(...lines), ({ graph }) => {
      const { nodes, outputs } = graph!;
      for (let value: string | undefined = outputs[0]; value !== undefined;) {
        const node: (typeof nodes)[number] = nodes.find(({ output }) => output === value)!;
        kinds.unshift(node.operator.kind);
        value = node.inputs[0];
      }
    });
    return kinds;
  };
  assertEquals(
    await way("_0 = torch.sub_(x, 0.5)", "_1 = torch.div_(x, 2)", "return torch.sigmoid(x)"),
    ["input", "affine", "affine", "sigmoid"],
  );
  assertEquals(await way("_0 = torch.relu_(x)", "return x"), ["input", "relu"]);
  const part = ["y = torch.contiguous(x)", "_0 = torch.select(y, 1, 0)", "_1 = torch.sub_(_0, 1)"];
  for (const value of ["x", "y"]) {
    const kinds = await way(...part, `return torch.sigmoid(${value})`);
    assert(kinds.slice(-2, -1).includes("unsupported"), `${value}: ${kinds}`);
  }
  const apart = ["y = torch.relu(x)", "_0 = torch.sub_(y, 1)", "return torch.sigmoid(x)"];
  assertEquals(await way(...apart), ["input", "sigmoid"]);
});

/** Calls that are not what their operator's name says, if one looks at the rest of what they are given. */
const OTHERWISE = [
  'torch.div(x, 2, rounding_mode="floor")',
  "torch.softmax(x, 0)",
  "torch.softmax(x, 2)",
  "torch.constant_pad_nd(x, [1, 1, 1, 1, 0, 2], 0)",
];

for (const call of OTHERWISE) {
  Deno.test(`TorchScript's ${call} is not understood`, async () => {
    await withCheckpoint(scriptOf(`return ${call}`), ({ graph }) => {
      assertEquals(graph!.nodes.at(-1)!.operator.kind, "unsupported");
    });
  });
}

Deno.test("TorchScript's other words for what a VGG has are the same operators", async () => {
  const file = scriptOf(
    "_0 = torch.permute(x, [0, 3, 1, 2])",
    "weight = self.weight",
    '_1 = torch._convolution_mode(_0, weight, None, [1, 1], "same", [1, 1], 1)',
    "_2 = torch.add(_1, torch.view(weight, [-1, 1, 1]))",
    "_3 = torch.mul(torch.neg(_2), torch.unsqueeze(weight, -1))",
    "return torch.softmax(torch.softmax(_3, 0), 1)",
  );
  await withCheckpoint(file, ({ graph, tensors }) => {
    const [input, , conv, add, neg, mul, first, second] = graph!.nodes.map((node) => node.operator);
    const { shape } = tensors[0]!, count = shape.reduce((a, b) => a * b, 1);
    assertObjectMatch(input!, { kind: "input", layout: "NHWC" });
    assertObjectMatch(conv!, { kind: "conv", padding: "same" });
    assertObjectMatch(add!, { kind: "affine", shift: { shape: [count, 1, 1] } });
    assertObjectMatch(mul!, { kind: "affine", scale: { shape: [...shape, 1] } });
    assertEquals(neg, { kind: "affine", scale: -1 });
    assertEquals([first?.kind, second?.kind], ["unsupported", "softmax"]);
  });
});

Deno.test("TorchScript's code that is long or deep takes no longer than it is", async () => {
  const many = Array.from({ length: 20_000 }, () => "x = torch.relu(x)");
  await withCheckpoint(scriptOf(...many, "return x"), ({ graph }) => {
    assertEquals(graph!.nodes.length, 20_001);
  });
  const views = Array.from(
    { length: 10_000 },
    () => "x = torch.detach(torch.relu_(torch.detach(x)))",
  );
  await withCheckpoint(scriptOf(...views, "return x"), ({ graph }) => {
    assertEquals(graph!.nodes.length, 40_001);
  });
  const calls = `return x${"()".repeat(100_000)}`;
  await assertRejects(() => withCheckpoint(scriptOf(calls), () => {}), CheckpointFormatError);
  const deep = `return ${"(".repeat(100_000)}x${")".repeat(100_000)}`;
  await assertRejects(() => withCheckpoint(scriptOf(deep), () => {}), CheckpointFormatError);
});

const NOT_FOLLOWED: readonly (readonly [message: string, ...lines: string[]])[] = [
  ["what it does depends on what it computes", "if torch.gt(x, 0):", "  pass", "return x"],
  ["it calls __torch__.mine", "return __torch__.mine(x, )"],
  ['it has "for i in range(3):"', "for i in range(3):", "  x = torch.relu(x)", "return x"],
  ["it gives something that is no tensor", "return 3"],
];

for (const [message, ...lines] of NOT_FOLLOWED) {
  Deno.test(`TorchScript's code that is not understood is refused: ${message}`, async () => {
    await assertRejects(
      () => withCheckpoint(scriptOf(...lines), () => {}),
      CheckpointFormatError,
      `The code of the TorchScript module in bytes is not understood: ${message}`,
    );
  });
}

Deno.test("the averages of an optimizer are no network", async () => {
  const filter = tensorOf("0", 4, [2, 2, 1, 1], [2, 1, 1, 1]);
  const averages = dictionaryOf({ exp_avg: filter, exp_avg_sq: filter });
  const optimizer = dictionaryOf({ state: `}K\0${averages}s`, param_groups: "]" });
  const value = dictionaryOf({ optimizer, model: dictionaryOf({ weight: filter }) });
  const values = await valuesOf(savedFile(value, { 0: floats([1, 2, 3, 4]) }));
  assertEquals(values, { weight: [1, 2, 3, 4] });
});

async function refused(value: string, message: string, code = "checkpoint-unsupported") {
  const file = savedFile(value, { 0: floats([1, 2, 3, 4]) });
  const error = await assertRejects(() => withCheckpoint(file, () => {}), CheckpointFormatError);
  assert(error.message.includes(message), error.message);
  assertEquals(error.code, code);
}

Deno.test("tensors that nothing says how to read are refused by their names", async () => {
  const filter = tensorOf("0", 4, [2, 2, 1, 1], [2, 1, 1, 1]);
  const made = `cmylib\nrebuild\n(${filter}tR`;
  await refused(
    dictionaryOf({ "conv.weight": made }),
    "conv.weight of bytes is made by mylib.rebuild",
  );
  await refused(`](${filter}${filter}e`, "a list of them, whose names are missing");
  await refused(dictionaryOf({ epoch: "K\x03" }), "as state_dict() gives: found none");
  const integers = filter.replace("FloatStorage", "IntStorage");
  await refused(
    dictionaryOf({ "conv.weight": integers }),
    "conv.weight of bytes has elements of type I32",
  );
  await refused(
    dictionaryOf({ "conv.weight_g": filter }),
    "conv.weight_g of bytes is a part of a weight",
  );
});

Deno.test("a tensor with more elements than its storage is refused, unless it is a small one", async () => {
  const wide = tensorOf("0", 4, [1 << 20, 1, 3, 3], [0, 0, 0, 0]);
  await refused(dictionaryOf({ weight: wide }), "in a storage of 4", "budget");
  const channels = dictionaryOf({ weight: tensorOf("0", 4, [2, 3], [1, 0]) });
  assertEquals(await valuesOf(savedFile(channels, { 0: floats([1, 2, 3, 4]) })), {
    weight: [1, 1, 1, 2, 2, 2],
  });
});

Deno.test("dictionaries that hold each other, and those that share others without end, are refused soon", async () => {
  // Each of 300 dictionaries holds the one before it twice.
  const laughs = Array.from(
    { length: 300 },
    (_, i) => `r${int32(i)}0}(K\x01j${int32(i)}K\x02j${int32(i)}u`,
  );
  await refused(`}${laughs.join("")}`, "found none");
  await refused(`}r${int32(0)}K\x01j${int32(0)}s`, "found none");
  // Modules, whose names are the ways to them.
  const module = (inner: string) =>
    `cnet\nA\n)\x81${dictionaryOf({ _parameters: "}", _modules: inner })}b`;
  const modules = Array.from(
    { length: 60 },
    (_, i) => `r${int32(i)}0${module(`}(${text("a")}j${int32(i)}${text("b")}j${int32(i)}u`)}`,
  );
  await refused(`${module("}")}${modules.join("")}`, "steps to read", "budget");
  // An object that is its own state, a long row of them, and a module in itself.
  await refused(`cnet\nA\n)Rr${int32(0)}j${int32(0)}b`, "found none");
  await refused(`${"cnet\nA\n)R".repeat(50_000)}${"b".repeat(49_999)}`, "found none");
  const filter = tensorOf("0", 4, [2, 2, 1, 1], [2, 1, 1, 1]);
  const state = dictionaryOf({ _parameters: dictionaryOf({ weight: filter }), _modules: "}" });
  const inItself = `ctorch.nn.modules.container\nSequential\n)\x81r${int32(0)}${
    state.replace(`${text("_modules")}}`, `${text("_modules")}}${text("a")}j${int32(0)}s`)
  }b`;
  await withCheckpoint(savedFile(inItself, { 0: floats([1, 2, 3, 4]) }), () => {});
});
