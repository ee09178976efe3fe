import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Classifier, loadClassifier } from "../../lib/classifier.ts";
import { decodeImage } from "../../lib/image/decode.ts";
import { cropImage } from "../../lib/image/resize.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import type { Pixels } from "../../lib/image/image.ts";
import type { Dataset, Sample } from "../../lib/input/dataset.ts";
import { evaluate } from "../../lib/evaluate/evaluate.ts";
import { fit, type FitOptions } from "../../lib/train/fit.ts";
import { fitReport } from "../../lib/train/report.ts";
import { fitFromScratch } from "../../lib/train/fit_from_scratch.ts";
import { classWeightsOf, stratifiedSplit } from "../../lib/train/split.ts";
import type { Progress } from "../../lib/progress.ts";
import { withTfjs } from "../../lib/train/tfjs.ts";
import { layersOf } from "../../lib/model/architecture.ts";
import { openModel } from "../../lib/model/file.ts";
import { NONE_OF_THESE } from "../../lib/model/classes.ts";
import { random, randomModel } from "../support/random_model.ts";
import { CIFAR10, CIFAR10_FILE } from "../support/cifar10.ts";

const SIDE = 32;
const sheet = await decodeImage(
  await Deno.readFile(new URL("../fixtures/cifar10/sheet.png", import.meta.url)),
);

/** Some of the fixture's images of some of CIFAR-10's classes. */
function pictures(classes: readonly number[], first: number, count: number): Dataset {
  const samples = classes.flatMap((row, label) =>
    Array.from({ length: count }, (_, n) => ({
      file: `${row}/${first + n}`,
      label,
      image: cropImage(sheet, {
        left: (first + n) * SIDE,
        top: row * SIDE,
        width: SIDE,
        height: SIDE,
      }),
    }))
  );
  return { samples, labels: classes.map((row) => `class ${row}`) };
}

const CAT = 3, DOG = 5;

Deno.test("stratifiedSplit() keeps the same part of each class, and loses nothing", () => {
  const labels = Array.from({ length: 50 }, (_, n) => n < 40 ? 0 : 1);
  const { train, validation } = stratifiedSplit(labels, ["a", "b"], 0.2, 1);
  assertEquals(validation.filter((n) => n < 40).length, 8);
  assertEquals(validation.filter((n) => n >= 40).length, 2);
  assertEquals([...train, ...validation].sort((a, b) => a - b), labels.map((_, n) => n));
  assertNotEquals(stratifiedSplit(labels, ["a", "b"], 0.2, 2).train, train);
  // 0 and 1 show the same as 2 and 3 do, 8 and 9 as one of the other class does.
  const together = Int32Array.of(0, 0, 2, 2, 4, 5, 6, 7, 8, 8, 8, 11, 12, 13, 14, 15);
  const classes = Array.from(together, (_, n) => n < 10 ? 0 : 1);
  for (let seed = 0; seed < 20; seed++) {
    const { validation } = stratifiedSplit(classes, ["a", "b"], 0.3, seed, together);
    assertEquals(validation.includes(0), validation.includes(1));
    assertEquals(validation.includes(2), validation.includes(3));
    assert(validation.every((n) => together[n] !== 8));
    const own = validation.filter((n) => classes[n] === 0).length;
    assert(own === 3 || own === 4, `${own}`);
  }
  assertThrows(
    () => stratifiedSplit([0, 0, 1, 1], ["a", "b"], 0.2, 1, [0, 0, 2, 2]),
    RangeError,
    "show the same",
  );
  assertThrows(() => stratifiedSplit([0, 0, 1], ["a", "b"], 0.2, 1), RangeError, 'Class "b" has 1');
  assertThrows(
    () => stratifiedSplit([0, 2, 0], ["a", "b"], 0.2, 1),
    RangeError,
    "Picture 1 has class 2",
  );
});

Deno.test("stratifiedSplit() keeps no more than it is asked for where copies leave it a choice", () => {
  // Two groups of 30 copies, and 40 pictures of their own.
  const together = Array.from({ length: 100 }, (_, n) => n < 60 ? (n < 30 ? 0 : 30) : n);
  const labels = Array.from({ length: 200 }, (_, n) => n < 100 ? 0 : 1);
  const all = [...together, ...Array.from({ length: 100 }, (_, n) => 100 + n)];
  for (const seed of [1, 2, 3]) {
    const { validation } = stratifiedSplit(labels, ["a", "b"], 0.2, seed, all);
    assertEquals(validation.filter((n) => n < 100).length, 20);
  }
  const groups = Array.from({ length: 100 }, (_, n) => n < 60 ? (n < 30 ? 0 : 30) : 60);
  const { validation } = stratifiedSplit(labels, ["a", "b"], 0.2, 1, [
    ...groups,
    ...all.slice(100),
  ]);
  assertEquals(validation.filter((n) => n < 100).length, 30, "one group, the smallest");
});

Deno.test("classWeightsOf() lets each class count the same", () => {
  const [frequent, rare] = classWeightsOf("balanced", [0, 0, 0, 1], 2);
  assertAlmostEquals(3 * frequent, 2, 1e-6);
  assertAlmostEquals(1 * rare, 2, 1e-6);
});

Deno.test("fit() learns two classes from 15 pictures each", async () => {
  const phases = new Set<string>();
  const { bytes: model, accuracy, assessment, history, dataSha256 } = await fit(
    pictures([CAT, DOG], 0, 15),
    {
      ...{ model: CIFAR10, backend: "wasm", id: "pets", layer: "fc7" },
      onProgress: ({ stage }) => void phases.add(stage),
    },
  );
  assertEquals([assessment.judged, assessment.folds.length, history], [30, 5, undefined]);
  assertEquals([...phases], ["load", "features", "train"]);
  assert(accuracy >= 5 / 6, `${accuracy} of the pictures`);
  assertEquals(accuracy, assessment.accuracy);

  const { id, labels, provenance, readout } = await openModel(model);
  assertEquals([id, labels], ["pets", ["class 3", "class 5"]]);
  assertEquals(readout!.features.blocks, [{ layer: "fc7", pooling: "avg" }]);
  assertEquals(provenance.dataSha256, dataSha256);
  await using classifier = await loadClassifier({ model, backend: "wasm" });
  // 70 pictures that it has not seen; the embedded model's own ten labels get 91 of 100 of these.
  const { metrics } = await evaluate(classifier, pictures([CAT, DOG], 15, 35).samples);
  assert(metrics.top1 > 0.85, `${metrics.top1} of unseen pictures`);
});

Deno.test("fit() takes the nearest examples where classes are small, and else a linear head", async () => {
  for (
    const [count, kind, more] of [
      [9, "nearest", {}],
      [10, "dense", {}],
      [9, "dense", { whitening: "none" }], // of which the nearest know nothing
      [9, "dense", { classWeights: "none" }],
    ] as const
  ) {
    const data = pictures([CAT, DOG], 0, count);
    const { bytes } = await fit(data, { ...more, model: CIFAR10, backend: "wasm" });
    assertEquals((await openModel(bytes)).readout!.head.kind, kind);
  }
});

Deno.test("fit() calibrates its model on pictures that it kept back, and is not sure of strangers", async () => {
  // Cats, dogs, and five other classes' pictures, which are none of these.
  const strangers = [0, 1, 2, 7, 8].flatMap((row) => pictures([row], 0, 12).samples);
  const data = {
    labels: ["cat", "dog", NONE_OF_THESE],
    samples: [
      ...pictures([CAT, DOG], 0, 30).samples,
      ...strangers.map((sample) => ({ ...sample, label: 2 })),
    ],
  };
  const { bytes, assessment, calibration } = await fit(data, {
    ...{ model: CIFAR10, backend: "wasm", layer: "fc7" },
  });
  const model = await openModel(bytes);
  assertEquals(calibration, { temperature: model.temperature, sureScore: model.sureScore });
  assertEquals(assessment.judged, 120);
  await using classifier = await loadClassifier({ model: bytes, backend: "wasm" });
  const unseen = [
    ...pictures([CAT], 30, 20).samples.map((sample) => ({ ...sample, label: 0 })),
    ...pictures([DOG], 30, 20).samples.map((sample) => ({ ...sample, label: 1 })),
    ...[0, 1, 2, 7, 8].flatMap((row) => pictures([row], 30, 20).samples)
      .map((sample) => ({ ...sample, label: 2 })),
  ];
  const found = await classifier.classify(unseen.map(({ image }) => image as Pixels)); // As pictures() gives them.
  const sure = found.map(([best], n) => ({ ...best, label: unseen[n]!.label }))
    .filter(({ sure }) => sure);
  assert(sure.length > 0);
  const unknown = sure.filter(({ label }) => label === 2).length;
  assert(unknown <= 20, `sure of ${unknown} of 100 strangers`);
  assert(found.flat().every(({ sure, label }) => label !== NONE_OF_THESE || sure === false));
});

Deno.test("fit() of few pictures makes a model that does not say whether it is sure, and tells it", async () => {
  const data = pictures([CAT, DOG], 0, 3);
  const fitted = await fit(data, { model: CIFAR10, backend: "wasm" });
  assertEquals(fitted.calibration.sureScore, undefined);
  assertStringIncludes(await fitReport("pets", data, fitted), "does not say whether it is sure");
  await using classifier = await loadClassifier({ model: fitted.bytes, backend: "wasm" });
  const [best] = await classifier.classify(data.samples[0]!.image as Pixels);
  assertEquals(best.sure, undefined);
});

for (
  const options of [
    { layer: "fc6", hidden: 16, whitening: "none", mirror: "off", epochs: 60 },
    { layer: "pool5", whitening: "pca" },
    { layer: ["pool3", "pool5"], whitening: "zca", classWeights: "none" },
    { layer: "conv4_1", pooling: "quarters", hidden: 8, optimizer: "momentum", epochs: 60 },
    { layer: ["pool5", "pool4"], pooling: "none", head: "nearest" },
    { sides: [48, 32] },
  ] as const
) {
  Deno.test(`fit() makes a model that works: ${JSON.stringify(options)}`, async () => {
    const data = pictures([CAT, DOG], 0, 10);
    const { bytes: model } = await fit(data, {
      ...options,
      model: CIFAR10,
      backend: "wasm",
    });
    await using classifier = await loadClassifier({ model, backend: "wasm" });
    const { metrics } = await evaluate(classifier, data.samples);
    assert(metrics.top1 >= 0.8, `${metrics.top1} of the pictures that it has seen`);
  });
}

/** A model that averages a map of 2x3 positions. */
const AVERAGING = {
  configuration: "A",
  input: { height: 64, width: 96, channels: 3 },
  convolutions: [4, 8, 8, 8, 8, 8, 8, 16],
  pooling: "average",
  dense: [4],
} as const;

Deno.test("fit() reads the average of a model's map, and fits a fitted model again", async () => {
  const { model: base } = randomModel(AVERAGING, 3);
  const data = pictures([CAT, DOG], 0, 6), options = { backend: "wasm" } as const;
  const { bytes } = await fit(data, { ...options, model: base, layer: "average" });
  const averaging = await openModel(bytes);
  assertEquals(averaging.architecture.pooling, "average");
  // What is frozen is the base's: so is what its layers say.
  await using before = await loadClassifier({ model: base, backend: "wasm" });
  await using after = await loadClassifier({ model: averaging, backend: "wasm" });
  const wide = { layer: "pool4", pooling: "max" } as const;
  assertNotEquals(await after.embed(sheet, wide), await before.embed(sheet, wide)); // 160 pixels, not 64 x 96
  const again = await openModel((await fit(data, { ...options, model: bytes })).bytes);
  assertEquals(again.readout!.features.blocks.map(({ layer }) => layer), ["pool4", "pool5"]);
});

Deno.test("fit() takes no features from a directory that are not of this model, layer, size and precision", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const data = pictures([CAT, DOG], 0, 4);
    const { model } = randomModel({ ...AVERAGING, dense: [5, 4] }, 3);
    const { model: other } = randomModel({ ...AVERAGING, dense: [5, 4] }, 4);
    const gray = {
      labels: data.labels,
      samples: data.samples.map(({ image, ...sample }) => ({
        ...sample,
        image: { ...image as Pixels, data: (image as Pixels).data.map((value) => 255 - value) },
      })),
    };
    const options = { directory, backend: "wasm", sides: [32] } as const;
    for (
      const [samples, more, kept] of [
        [data, { model }, 0],
        [data, { model }, 8],
        [data, { model, head: "nearest" }, 8],
        [gray, { model }, 0],
        [data, { model: other }, 0],
        [data, { model, layer: "pool3" }, 0],
        [data, { model, sides: [64] }, 0],
        [data, { model, precision: "float" }, 0],
        [data, { model, mirror: "off" }, 0],
      ] as const
    ) {
      const found: number[] = [];
      await fit(samples, {
        ...options,
        ...more,
        onProgress: ({ stage, done }) => stage === "features" && void found.push(done),
      });
      assertEquals(found[0], kept, JSON.stringify(Object.keys(more)));
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("fit() on a base whose head is a sigmoid says that its own is a soft-max", async () => {
  const base = await openModel(CIFAR10_FILE);
  const sigmoid = { ...base, architecture: { ...base.architecture, head: "sigmoid" as const } };
  const data = pictures([CAT, DOG], 0, 5);
  const options = { backend: "wasm", layer: "fc7" } as const;
  const { bytes } = await fit(data, { ...options, model: sigmoid });
  const own = await openModel(bytes);
  assertEquals(own.architecture.head, undefined);
  // What is frozen is the same, so is all that is learned.
  assertEquals(bytes, (await fit(data, { ...options, model: base })).bytes);
});

Deno.test("fit() gives the same model again, also when it was interrupted", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const data = pictures([CAT, DOG], 0, 6);
    const options = { model: CIFAR10, backend: "wasm", hidden: 8, epochs: 6, patience: 6 } as const;
    const whole = await fit(data, options);
    const abort = new AbortController();
    const cut = fit(data, {
      ...options,
      directory,
      signal: abort.signal,
      onProgress: ({ epoch }) => {
        if (epoch?.epoch === 3) abort.abort();
      },
    });
    await assertRejects(() => cut, DOMException);
    const stages: number[] = [];
    const resumed = await fit(data, {
      ...options,
      directory,
      onProgress: ({ stage, done, total, epoch }) => {
        if (stage === "features") assertEquals(done, total, "features are not computed again");
        if (epoch !== undefined) stages.push(epoch.epoch);
      },
    });
    assertEquals(stages, [4, 5, 6]);
    assertEquals(resumed.history, whole.history);
    assertEquals(resumed.bytes, whole.bytes);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("fit() goes on with no training whose pictures had other labels", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const data = pictures([CAT, DOG], 0, 6);
    const options = { model: CIFAR10, backend: "wasm", hidden: 8, epochs: 3 } as const;
    await fit(data, { ...options, directory });
    const exchanged = {
      ...data,
      samples: data.samples.map((sample) => ({ ...sample, label: 1 - sample.label })),
    };
    const { bytes } = await fit(exchanged, { ...options, directory });
    assertEquals(bytes, (await fit(exchanged, options)).bytes);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("fit() says what a dataset is", async () => {
  const typo = { labels: ["a", "b"], sample: [] };
  await assertRejects(
    () => fit(typo as never),
    TypeError,
    "Expected a dataset { labels, samples }",
  );
  await assertRejects(
    () => fit({ ...pictures([CAT], 0, 4), labels: ["cat"] }),
    RangeError,
    'Expected at least 2 classes: found only "cat"',
  );
});

Deno.test("fit() refuses layers that the model does not have, and options without effect", async () => {
  const data = pictures([CAT, DOG], 0, 4), options = { model: CIFAR10, backend: "wasm" } as const;
  const refused: [FitOptions, string][] = [
    [{ layer: "fc8" }, '"fc6", "fc7"'],
    [{ layer: "average" }, '"pool5", "fc6", "fc7"'],
    [{ layer: ["pool5", "conv9_9" as "pool5"] }, "layer"],
    [{ layer: "fc7", sides: [64] }, "32x32"],
    [{ sides: [16] }, "sides"],
    [{ layer: "conv1_1", pooling: "none", sides: [512] }, "at most 1048576 features"],
    [{ layer: "pool3", pooling: "none", whitening: "pca" }, "at most 1024 values, found 2048"],
    [{ epochs: 5 }, "epochs has no effect without hidden"],
    [{ validation: 0.5 }, "validation has no effect without hidden"],
    [{ hidden: 4, folds: 3 }, "folds has no effect beside hidden"],
    [{ hidden: 4, head: "nearest" }, "hidden is for a linear head"],
    [{ head: "nearest", whitening: "pca" }, "whitening has no effect"],
    [{ head: "nearest", classWeights: "none" }, "classWeights has no effect"],
    [{ hidden: 4, validation: 1 }, "validation"],
    [{ hidden: 4, epochs: 0 }, "epochs"],
  ];
  // Before a picture is read.
  const onProgress = ({ stage }: Progress) => assertNotEquals(stage, "features");
  for (const [more, message] of refused) {
    const own = { ...options, ...more, onProgress };
    await assertRejects(() => fit(data, own), RangeError, message);
  }
  await assertRejects(() => fit(pictures([CAT], 0, 4), options), RangeError, "2 classes");
  const more = { ...data, labels: [...data.labels, "bird"] };
  await assertRejects(() => fit(more, options), RangeError, 'found none of "bird"');
});

Deno.test("a picture that cannot be read is left out and told, whatever is fitted", async () => {
  const { samples, labels } = pictures([CAT, DOG], 0, 12);
  const garbage = { file: "cats/broken.jpg", image: new TextEncoder().encode("garbage"), label: 0 };
  const data = { samples: [...samples, garbage], labels };
  const small = { configuration: "A", width: 1 / 16, epochs: 1, dense: [] } as const;
  for (
    const run of [
      (skipBad: boolean, bad: Dataset) => fit(bad, { model: CIFAR10, backend: "wasm", skipBad }),
      (skipBad: boolean, bad: Dataset) =>
        fitFromScratch(bad, { ...small, backend: "wasm", skipBad }),
    ]
  ) {
    const { skipped, assessment } = await run(false, data);
    assertEquals(skipped.map(({ file, label }) => [file, label]), [["cats/broken.jpg", "class 3"]]);
    assertStringIncludes(skipped[0]!.reason, "Expected");
    assertEquals(assessment.classes.map(({ pictures }) => pictures), [12, 12]);
    const worse = { ...data, samples: [...data.samples, garbage, garbage] };
    await assertRejects(() => run(false, worse), RangeError, "cats/broken.jpg");
    assertEquals((await run(true, worse)).skipped.length, 3);
    const none = { labels, samples: [...samples.filter(({ label }) => label === 1), garbage] };
    await assertRejects(() => run(true, none), RangeError, "class 3");
  }
});

Deno.test("fitFromScratch() learns to tell bright from dark, in one channel", async () => {
  const next = random(9);
  const samples = Array.from({ length: 48 }, (_, n) => {
    const label = n % 2, level = label === 0 ? 60 : 160;
    const data = Uint8Array.from({ length: 28 * 28 }, () => level + Math.floor(next() * 40));
    return { file: String(n), label, image: { data, width: 28, height: 28 } };
  });
  const data = { samples, labels: ["dark", "bright"] };
  const fitted = await fitFromScratch(data, {
    configuration: "A",
    width: 1 / 16,
    dense: [],
    channels: 1,
    epochs: 12,
    batchSize: 8,
    learningRate: 3e-3,
    backend: "wasm",
  });
  const model = await openModel(fitted.bytes);
  assertEquals(model.architecture.input, { height: 32, width: 32, channels: 1 });
  // 60 and 160, with 0 to 39 added: a mean of 129.5, a deviation of 50 and a little.
  assertAlmostEquals(model.preprocessing.mean[0] * 255, 129.5, 1);
  assertAlmostEquals(model.preprocessing.std[0] * 255, 50.6, 2);
  await using classifier = await loadClassifier({ model: fitted.bytes, backend: "wasm" });
  assertEquals((await evaluate(classifier, samples)).metrics.top1, 1);
  const html = await fitReport("<b>", data, fitted);
  assert(html.includes("&lt;b&gt;") && html.includes("<svg"));
  assert(classifier instanceof Classifier);
});

Deno.test("fitFromScratch() trains up to eight dense layers", async () => {
  const data = pictures([CAT, DOG], 0, 4), dense = [8, 8, 8, 8, 8, 8, 8];
  const options = { configuration: "A", width: 1 / 16, epochs: 1, backend: "wasm" } as const;
  const { bytes } = await fitFromScratch(data, { ...options, dense });
  const { architecture } = await openModel(bytes);
  assertEquals(architecture.dense, [...dense, 2]);
  assertEquals(layersOf(architecture).at(-8)!.name, "fc1");
  await assertRejects(
    () => fitFromScratch(data, { ...options, dense: [...dense, 8] }),
    RangeError,
    "dense must be at most 7 integers",
  );
});

Deno.test("fitFromScratch() gives the same model again, also when it was interrupted", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const data = pictures([CAT, DOG], 0, 6);
    const options = { configuration: "A", width: 1 / 16, epochs: 3, backend: "wasm" } as const;
    const whole = await fitFromScratch(data, options);
    const abort = new AbortController();
    const cut = fitFromScratch(data, {
      ...options,
      directory,
      signal: abort.signal,
      onProgress: ({ epoch }) => {
        if (epoch?.epoch === 1) abort.abort();
      },
    });
    await assertRejects(() => cut, DOMException);
    const resumed = await fitFromScratch(data, { ...options, directory });
    assertEquals(resumed.history, whole.history);
    assertEquals(resumed.bytes, whole.bytes);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("training leaves no tensors behind", async () => {
  const data = pictures([CAT, DOG], 0, 4);
  const options = { epochs: 2, backend: "wasm" } as const;
  const count = (): Promise<number> => withTfjs((tf) => Promise.resolve(tf.memory().numTensors));
  const directory = await Deno.makeTempDir();
  const small = { ...options, configuration: "A", width: 1 / 16, threads: 2 } as const;
  const headed = { ...options, hidden: 4, model: CIFAR10 };
  await fit(data, headed);
  await fitFromScratch(data, small);
  const before = await count();
  await fit(data, headed);
  await fitFromScratch(data, { ...small, directory });
  await Deno.remove(directory, { recursive: true });
  assertEquals(await count(), before);
});

Deno.test("fit() reads streams, responses and what opens a picture, in any order they come", async () => {
  const data = pictures([CAT, DOG], 0, 6);
  const options = { model: CIFAR10, backend: "wasm" } as const;
  const files = await Promise.all(
    data.samples.map(({ image }) => encodePng(image as Pixels)),
  );
  const forms = [
    (bytes: Uint8Array<ArrayBuffer>) => new Blob([bytes]).stream(),
    (bytes: Uint8Array<ArrayBuffer>) => new Response(bytes),
    (bytes: Uint8Array<ArrayBuffer>) => () => Promise.resolve(new Blob([bytes]).stream()),
  ];
  const samples = async function* (): AsyncGenerator<Sample> {
    for (const [n, { file, label }] of data.samples.entries()) {
      yield { file, image: forms[n % 3]!(files[n]!), label: data.labels[label]! };
    }
  };
  const [whole, streamed] = [
    await fit(data, options),
    await fit({ ...data, samples: samples() }, options),
  ];
  assertEquals(streamed.bytes, whole.bytes);
  assertEquals(streamed.accuracy, whole.accuracy);
  const scratch = { epochs: 1, dense: [8], width: 1 / 16 };
  const [a, b] = [
    await fitFromScratch(data, scratch),
    await fitFromScratch({ ...data, samples: samples() }, scratch),
  ];
  assertEquals(a.bytes, b.bytes);
});

Deno.test("fit() writes its model to out, and then has no bytes", async () => {
  const out = await Deno.makeTempFile({ suffix: ".safetensors" });
  try {
    const data = pictures([CAT, DOG], 0, 4);
    const options = { model: CIFAR10, backend: "wasm" } as const;
    const { bytes } = await fit(data, options);
    const written = await fit(data, { ...options, out });
    assertEquals(await Deno.readFile(out), bytes);
    assertEquals(["bytes" in written, written.size], [false, bytes.length]);
  } finally {
    await Deno.remove(out);
  }
});
