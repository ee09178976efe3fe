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
import { ImageDecodeError } from "../../lib/errors.ts";
import { cropImage } from "../../lib/image/resize.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import type { Pixels } from "../../lib/image/image.ts";
import type { Dataset, Sample } from "../../lib/input/dataset.ts";
import { evaluate } from "../../lib/evaluate/evaluate.ts";
import { fit } from "../../lib/train/fit.ts";
import { fitReport } from "../../lib/train/report.ts";
import { fitFromScratch } from "../../lib/train/fit_from_scratch.ts";
import { classWeightsOf, stratifiedSplit } from "../../lib/train/split.ts";
import { withTfjs } from "../../lib/train/tfjs.ts";
import { layersOf } from "../../lib/model/architecture.ts";
import { openModel } from "../../lib/model/file.ts";
import { NONE_OF_THESE } from "../../lib/model/classes.ts";
import type { Model } from "../../lib/model/model.ts";
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
  assertThrows(() => stratifiedSplit([0, 0, 1], ["a", "b"], 0.2, 1), RangeError, 'Class "b" has 1');
  assertThrows(
    () => stratifiedSplit([0, 2, 0], ["a", "b"], 0.2, 1),
    RangeError,
    "Picture 1 has class 2",
  );
});

Deno.test("classWeightsOf() lets each class count the same", () => {
  const [frequent, rare] = classWeightsOf("balanced", [0, 0, 0, 1], 2);
  assertAlmostEquals(3 * frequent, 2, 1e-6);
  assertAlmostEquals(1 * rare, 2, 1e-6);
});

Deno.test("fit() learns two classes from 15 pictures each", async () => {
  const phases = new Set<string>();
  const { bytes: model, accuracy, history, bestEpoch, split, dataSha256 } = await fit(
    pictures([CAT, DOG], 0, 15),
    {
      ...{ model: CIFAR10, backend: "wasm", id: "pets" },
      onProgress: ({ stage }) => void phases.add(stage),
    },
  );
  assertEquals([split.train.length, split.validation.length], [24, 6]);
  assert(
    history[bestEpoch - 1].validationLoss <= Math.min(...history.map((h) => h.validationLoss)),
  );
  assertEquals([...phases], ["load", "features", "train", "evaluate"]);
  assert(accuracy >= 5 / 6, `${accuracy} of the validation pictures`);

  const { id, labels, provenance, architecture } = await openModel(model);
  assertEquals([id, labels, architecture.dense], ["pets", ["class 3", "class 5"], [512, 512, 2]]);
  assertEquals(provenance.dataSha256, dataSha256);
  await using classifier = await loadClassifier({ model, backend: "wasm" });
  // 70 pictures that it has not seen; the embedded model's own ten labels get 91 of 100 of these.
  const { metrics } = await evaluate(classifier, pictures([CAT, DOG], 15, 35).samples);
  assert(metrics.top1 > 0.85, `${metrics.top1} of unseen pictures`);
});

Deno.test("fit() calibrates its model on the validation pictures, and is not sure of strangers", async () => {
  // Cats, dogs, and five other classes' pictures, which are none of these.
  const strangers = [0, 1, 2, 7, 8].flatMap((row) => pictures([row], 0, 20).samples);
  const data = {
    labels: ["cat", "dog", NONE_OF_THESE],
    samples: [
      ...pictures([CAT, DOG], 0, 50).samples,
      ...strangers.map((sample) => ({ ...sample, label: 2 })),
    ],
  };
  const { bytes, split, calibration, accuracy } = await fit(data, {
    ...{ model: CIFAR10, backend: "wasm", flip: false, crops: 0 },
  });
  const model = await openModel(bytes);
  assertEquals(calibration, { temperature: model.temperature, sureScore: model.sureScore });
  await using classifier = await loadClassifier({ model: bytes, backend: "wasm" });
  const shown = split.validation.map((n) => data.samples[n]!);
  const images = shown.map(({ image }) => image as Pixels); // As pictures() gives them.
  const scores = await classifier.scores(images);
  // Cross-entropy against what Platt's scaling wants, with the scores of a temperature that is off by a factor.
  const share = (shown.length + 1) / (shown.length + 2);
  const crossEntropy = (factor: number): number => {
    let sum = 0;
    scores.forEach((row, n) => {
      const powers = row.map((score) => score ** (1 / factor));
      const total = powers.reduce((a, b) => a + b, 0);
      powers.forEach((power, c) => {
        sum -= (c === shown[n]!.label ? share : (1 - share) / 2) * Math.log(power / total);
      });
    });
    return sum;
  };
  assert(crossEntropy(0.95) > crossEntropy(1) && crossEntropy(1.05) > crossEntropy(1));

  const best = (await classifier.classify(images)).map(([first]) => first);
  const right = best.filter(({ index }, n) => index === shown[n]!.label).length;
  assertEquals(accuracy, right / shown.length);
  const sureOf = (isStrange: boolean) =>
    best.filter(({ sure }, n) => sure && (shown[n]!.label === 2) === isStrange).length;
  assert(model.sureScore !== undefined && sureOf(false) > 0);
  assert(sureOf(true) <= 0.1 * shown.filter(({ label }) => label === 2).length);
  assert(best.every(({ sure, label }) => label !== NONE_OF_THESE || sure === false));
});

Deno.test("fit() of few pictures makes a model that does not say whether it is sure, and tells it", async () => {
  const data = pictures([CAT, DOG], 0, 10);
  const fitted = await fit(data, { model: CIFAR10, backend: "wasm", epochs: 5 });
  assertEquals(fitted.calibration.sureScore, undefined); // Of 4 validation pictures.
  assertStringIncludes(fitReport("pets", data, fitted), "does not say whether it is sure");
  await using classifier = await loadClassifier({ model: fitted.bytes, backend: "wasm" });
  const [best] = await classifier.classify(data.samples[0]!.image as Pixels);
  assertEquals(best.sure, undefined);
});

for (
  const options of [
    { layer: "fc6", hidden: 16, whitening: "none", flip: false, crops: 0 },
    { layer: "pool5", whitening: "pca" },
    { layer: "pool5", whitening: "zca", optimizer: "momentum", classWeights: "none" },
  ] as const
) {
  Deno.test(`fit() makes a model that works: ${JSON.stringify(options)}`, async () => {
    const data = pictures([CAT, DOG], 0, 10);
    const { bytes: model } = await fit(data, {
      ...options,
      model: CIFAR10,
      epochs: 60,
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

Deno.test("fit() goes on from the average of a model's map, or from its map", async () => {
  const { model: base } = randomModel(AVERAGING, 3);
  const data = pictures([CAT, DOG], 0, 6);
  const options = { epochs: 3, flip: false, crops: 0, backend: "wasm" } as const;
  const made: Record<string, Model> = {};
  for (const layer of [undefined, "pool5"] as const) {
    const { bytes } = await fit(data, { ...options, model: base, layer });
    made[layer ?? "default"] = await openModel(bytes);
  }
  const { default: averaging, pool5: flat } = made;
  assertEquals([averaging.architecture.pooling, flat.architecture.pooling], ["average", undefined]);
  assertEquals([averaging.provenance.features?.layer, flat.provenance.features?.layer], [
    "average",
    "pool5",
  ]);
  assertEquals(layersOf(averaging.architecture).at(-1)!.filterSize, [1, 1]);
  assertEquals(layersOf(flat.architecture).at(-1)!.filterSize, [2, 3]);

  // What is frozen is the base's: so is what the average says.
  await using before = await loadClassifier({ model: base, backend: "wasm" });
  await using after = await loadClassifier({ model: averaging, backend: "wasm" });
  assertEquals(await after.embed(sheet), await before.embed(sheet));
  assertEquals((await after.embed(sheet)).layer, "average");

  // A hidden layer of the head stays when its model is taught again.
  const { bytes } = await fit(data, { ...options, model: base, hidden: 5 });
  const again = await openModel((await fit(data, { ...options, model: bytes })).bytes);
  assertEquals([again.architecture.dense, again.architecture.pooling], [[5, 2], "average"]);
  assertEquals(again.provenance.features?.layer, "fc7");
});

Deno.test("fit() takes no features from a directory that are of another architecture", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const data = pictures([CAT, DOG], 0, 4);
    // Its map has one position: the same tensors make both networks.
    const input = { height: 32, width: 32, channels: 3 };
    const { model: average } = randomModel({ ...AVERAGING, input, dense: [5, 4] }, 3);
    const flat = { ...average, architecture: { ...average.architecture, pooling: undefined } };
    const options = { directory, epochs: 1, flip: false, crops: 0, backend: "wasm" } as const;
    for (const [model, kept] of [[average, 0], [average, 8], [flat, 0]] as const) {
      const found: number[] = [];
      await fit(data, {
        ...options,
        model,
        onProgress: ({ stage, done }) => stage === "features" && void found.push(done),
      });
      assertEquals(found[0], kept);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("fit() on a base whose head is a sigmoid says that its own is a soft-max", async () => {
  const base = await openModel(CIFAR10_FILE);
  const sigmoid = { ...base, architecture: { ...base.architecture, head: "sigmoid" as const } };
  const data = pictures([CAT, DOG], 0, 5);
  const options = { epochs: 2, flip: false, crops: 0, backend: "wasm" } as const;
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
    const options = { model: CIFAR10, backend: "wasm", epochs: 6, patience: 6, crops: 1 } as const;
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

Deno.test("fit() says what a dataset is", async () => {
  const typo = { labels: ["a", "b"], sample: [] };
  await assertRejects(
    () => fit(typo as never),
    TypeError,
    "Expected a dataset { labels, samples }",
  );
});

Deno.test("fit() refuses heads that do not make a VGG, and too few pictures", async () => {
  const data = pictures([CAT, DOG], 0, 4);
  for (const layer of ["fc8", "fc5", "average"] as const) {
    await assertRejects(
      () => fit(data, { model: CIFAR10, layer: layer as "fc7", backend: "wasm" }),
      RangeError,
      layer === "fc8" ? '"fc5", "fc6", "fc7"' : '"pool5", "fc6", "fc7"',
    );
  }
  const dense = [8, 8, 8, 8, 8, 8, 8, 4];
  const { model } = randomModel({ ...AVERAGING, pooling: "flatten", dense });
  await assertRejects(
    () => fit(data, { model, hidden: 8 }),
    RangeError,
    "at most 8 dense layers, and a hidden layer after fc7 makes 9: use layer fc6, or no hidden",
  );
  await assertRejects(() => fit(data, { validation: 1 }), RangeError, "validation");
  await assertRejects(() => fit(data, { epochs: 0 }), RangeError, "epochs");
  await assertRejects(
    () => fit(pictures([CAT], 0, 4), { model: CIFAR10 }),
    RangeError,
    "2 classes",
  );
  await assertRejects(
    () => fit(pictures([CAT, DOG], 0, 1), { model: CIFAR10 }),
    RangeError,
    "at least 2",
  );
});

Deno.test("a picture that cannot be read is named, whatever is fitted", async () => {
  const { samples, labels } = pictures([CAT, DOG], 0, 4);
  const garbage = { file: "cats/broken.jpg", image: new TextEncoder().encode("garbage"), label: 0 };
  const data = { samples: [...samples, garbage], labels };
  for (const run of [() => fit(data, { model: CIFAR10 }), () => fitFromScratch(data)]) {
    await assertRejects(run, ImageDecodeError, "cats/broken.jpg: Expected");
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
  const html = fitReport("<b>", data, fitted);
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
  const headed = { ...options, model: CIFAR10 };
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
  const options = { model: CIFAR10, epochs: 3, backend: "wasm" } as const;
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
    const options = { model: CIFAR10, epochs: 2, backend: "wasm" } as const;
    const { bytes } = await fit(data, options);
    const written = await fit(data, { ...options, out });
    assertEquals(await Deno.readFile(out), bytes);
    assertEquals(["bytes" in written, written.size], [false, bytes.length]);
  } finally {
    await Deno.remove(out);
  }
});
