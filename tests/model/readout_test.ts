import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { loadClassifier } from "../../lib/classifier.ts";
import { CheckpointFormatError } from "../../lib/errors.ts";
import { parseModelDocument } from "../../lib/model/document.ts";
import { openModel } from "../../lib/model/file.ts";
import type { Model } from "../../lib/model/model.ts";
import { type Readout, readoutTensors } from "../../lib/model/readout.ts";
import { readSafetensorsHeader } from "../../lib/model/safetensors.ts";
import { BytesSource } from "../../lib/io/byte_source.ts";
import { fit } from "../../lib/train/fit.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { catsAndDogs } from "../support/fitted.ts";
import { modelBytes } from "../support/model_bytes.ts";
import { resealed } from "../support/resealed.ts";
import { randomModel } from "../support/random_model.ts";

const CHANNELS = 4, LABELS = ["a", "b", "c"];

/** A small VGG with a readout of the averages of pool4 and pool5. */
function modelWith(head: Readout["head"]): Model {
  const { model } = randomModel({
    ...{ configuration: "A", input: { height: 32, width: 32, channels: 3 }, dense: [] },
    convolutions: Array(8).fill(CHANNELS),
  });
  const blocks = (["pool4", "pool5"] as const).map((layer) => ({ layer, pooling: "avg" as const }));
  const features = { sizes: [[32, 32] as const], blocks, mirrored: false };
  return { ...model, labels: LABELS, readout: { features, head } };
}

const DENSE = modelWith({
  kind: "dense",
  layers: [{ weight: new Float32Array(3 * 2 * CHANNELS), bias: new Float32Array(3) }],
});
const NEAREST = modelWith({
  ...{ kind: "nearest", lengths: [CHANNELS, CHANNELS] },
  ...{ examples: new Float32Array(2 * 2 * CHANNELS), classes: Float32Array.of(0, 2) },
});

// deno-lint-ignore no-explicit-any -- a document is changed to what none may be
type Document = any;

/** Values that are refused, and what is said of them. */
const WRONG:
  readonly (readonly [of: Model, change: (document: Document) => void, words: string])[] = [
    ...[null, 1, [], {}].map((value) =>
      [DENSE, (d: Document) => d.readout = value, "readout.features.sizes must be"] as const
    ),
    ...[
      ...[[], null, [[32]], [[32, 32, 32]], [["32", "32"]], [[32.5, 32]], [[-32, -32]], [[64, 64]]],
      ...[[[32, 32], [31, 64]], Array(5).fill([32, 32]), [[32, 32], [1e9, 1e9]]],
    ].map((value) =>
      [
        DENSE,
        (d: Document) => d.readout.features.sizes = value,
        "readout.features.sizes must be 1 to 4 pairs of pixels, smallest first",
      ] as const
    ),
    ...["prob", "fc8", "average", "search", "__proto__", { toString: 1 }].map((layer) =>
      [
        DENSE,
        (d: Document) => d.readout.features.blocks[0].layer = layer,
        "readout.features.blocks must be layers of the network",
      ] as const
    ),
    ...["max", undefined, null].map((pooling) =>
      [
        DENSE,
        (d: Document) => d.readout.features.blocks[1].pooling = pooling,
        "each with a pooling",
      ] as const
    ),
    [DENSE, (d) => d.readout.features.blocks[0].layer = "pool5", "must be different layers"],
    [DENSE, (d) => d.readout.features.blocks = [], "readout.features.blocks must be layers"],
    [
      DENSE,
      (d) => d.readout.features.mirrored = 1,
      "readout.features.mirrored must be true or false",
    ],
    ...[[], [4], ["3"], [0, 3], [-1, 3], [1.5, 3], [2 ** 20 + 1, 3], Array(5).fill(3), null].map((
      units,
    ) =>
      [
        DENSE,
        (d: Document) => d.readout.head.units = units,
        "readout.head.units must be at most 4 sizes, the last one 3",
      ] as const
    ),
    ...[0, -1, 1.5, 1e308, null, "2", 2 ** 20 + 1].map((examples) =>
      [
        NEAREST,
        (d: Document) => d.readout.head.examples = examples,
        "readout.head.examples must be a count from 1 to 1048576",
      ] as const
    ),
    [DENSE, (d) => d.readout.head.kind = "__proto__", 'must be "dense" or "nearest"'],
    [
      DENSE,
      (d) => d.readout.head.units = [2 ** 20, 2 ** 20, 3],
      "readout has 1099525259267 numbers, at most 536870912",
    ],
    [DENSE, (d) => d.labels = [], "labels of a readout must be at least one"],
    [DENSE, (d) => d.architecture.head = "sigmoid", "architecture.head must be left out"],
    [DENSE, (d) => d.version = 2, "version must be 3"],
  ];

Deno.test("a readout that cannot be one, or asks for too much, is refused by its document", async () => {
  const documents = new Map<Model, string>();
  for (const model of [DENSE, NEAREST]) {
    const { metadata } = await readSafetensorsHeader(new BytesSource(await modelBytes(model)));
    documents.set(model, metadata.model!);
    assertEquals(parseModelDocument(metadata.model!, "m").version, 3);
  }
  for (const [model, change, words] of WRONG) {
    const document = JSON.parse(documents.get(model)!);
    change(document);
    const json = JSON.stringify(document);
    assertThrows(() => parseModelDocument(json, "m.safetensors"), CheckpointFormatError, words);
  }
});

Deno.test("a readout's numbers are finite, and its examples of classes that there are", async () => {
  const wrong = [
    [
      DENSE,
      "readout.0.weight",
      NaN,
      "The values of readout.0.weight in model bytes must be finite",
    ],
    [
      DENSE,
      "readout.0.bias",
      Infinity,
      "The values of readout.0.bias in model bytes must be finite",
    ],
    [
      NEAREST,
      "readout.examples",
      NaN,
      "The values of readout.examples in model bytes must be finite",
    ],
    ...[-1, 0.5, 3].map((index) =>
      [
        NEAREST,
        "readout.classes",
        index,
        "The values of readout.classes in model bytes must be from 0 to 2",
      ] as const
    ),
  ] as const;
  for (const [model, tensor, value, words] of wrong) {
    const hostile = await resealed(await modelBytes(model), ({ header, data }) => {
      const [begin] = header[tensor].data_offsets;
      new DataView(data.buffer).setFloat32(begin, value, true);
    });
    await assertRejects(() => openModel(hostile), CheckpointFormatError, words);
  }
});

Deno.test("what no reader would take is not written, and not learned", async () => {
  const features = { ...DENSE.readout!.features, sizes: [[512, 512] as const] };
  const none = { ...DENSE, readout: { ...DENSE.readout!, features } };
  await assertRejects(() => modelBytes(none), RangeError, "readout.features.sizes must be");
  const options = { model: CIFAR10, backend: "wasm", pooling: "none" } as const;
  const isRead = () => {
    throw new Error("nothing is read");
  };
  const data = catsAndDogs(2);
  const samples = data.samples.map((sample) => ({ ...sample, image: isRead }));
  await assertRejects(
    () => fit({ ...data, samples }, { ...options, layer: "conv1_1", sides: [64], hidden: 65_536 }),
    RangeError,
    "The head would be too large: readout has 8590131202 numbers, at most 536870912",
  );
});

Deno.test("a readout has the tensors that its document names", () => {
  const description = { ...DENSE.readout!, head: { kind: "dense", units: [5, 3] } as const };
  assertEquals(readoutTensors(description, DENSE.architecture, 3), [
    { name: "readout.0.weight", shape: [5, 2 * CHANNELS] },
    { name: "readout.0.bias", shape: [5] },
    { name: "readout.1.weight", shape: [3, 5] },
    { name: "readout.1.bias", shape: [3] },
  ]);
});

Deno.test("a classifier tells what its readout sees, without its numbers", async () => {
  for (
    const [model, head] of [
      [DENSE, { kind: "dense", units: [3] }],
      [NEAREST, { kind: "nearest", examples: 2 }],
    ] as const
  ) {
    await using classifier = await loadClassifier({ model: await modelBytes(model) });
    assertEquals(classifier.info.readout, { features: model.readout!.features, head });
  }
});
