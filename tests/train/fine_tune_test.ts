import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { loadClassifier } from "../../lib/classifier.ts";
import { createEngine } from "../../lib/engine/create.ts";
import { decodeImage } from "../../lib/image/decode.ts";
import type { Pixels } from "../../lib/image/image.ts";
import { cropImage } from "../../lib/image/resize.ts";
import type { Dataset } from "../../lib/input/dataset.ts";
import { layersOf } from "../../lib/model/architecture.ts";
import { openModel } from "../../lib/model/file.ts";
import type { Model } from "../../lib/model/model.ts";
import { resolveModel } from "../../lib/open_model.ts";
import { isAsGood } from "../../lib/train/fine_tune.ts";
import { fit, type FitOptions } from "../../lib/train/fit.ts";
import { TrainingKernels } from "../../lib/train/kernels.ts";
import { type BlockLayer, readBlock, withBlock } from "../../lib/train/last_block.ts";
import { Maps, recordBytes } from "../../lib/train/maps.ts";
import { checkInMemory, RecordsInMemory } from "../../lib/train/records.ts";
import { TunedNetwork, type TuningTask } from "../../lib/train/tuned_network.ts";
import { tune } from "../../lib/train/tuning.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { keepStates, type KeptState } from "../support/kept_states.ts";
import { random, randomModel } from "../support/random_model.ts";

const SIDE = 32;
const sheet = await decodeImage(
  await Deno.readFile(new URL("../fixtures/cifar10/sheet.png", import.meta.url)),
);

/** Some of the fixture's pictures of some of CIFAR-10's classes. */
function pictures(first: number, count: number, classes = 3): Dataset {
  const labels = Array.from({ length: classes }, (_, row) => `class ${row}`);
  const samples = labels.flatMap((_, label) =>
    Array.from({ length: count }, (_, n) => ({
      file: `${label}/${first + n}`,
      label,
      image: cropImage(sheet, {
        ...{ left: (first + n) * SIDE, top: label * SIDE, width: SIDE, height: SIDE },
      }),
    }))
  );
  return { labels, samples };
}

/** CIFAR-10's model, but that its last block sees one of its channels: what pool5 says is little. */
async function shortSighted(): Promise<Model> {
  const model = await resolveModel(CIFAR10), block = await readBlock(model);
  const { filter, inputs, outputs } = block[0]!;
  filter.forEach((_, at) => {
    if (Math.floor(at / outputs) % inputs >= 1) filter[at] = 0;
  });
  return withBlock(model, block);
}

const OPTIONS = {
  ...{ model: await shortSighted(), backend: "wasm", sides: [SIDE], layer: "pool5", mirror: "off" },
  ...{ fineTune: "conv5", epochs: 3, learningRate: 3e-4, batchSize: 8 },
} satisfies FitOptions;

/** A small network's last block on maps of noise, of which a third of the channels is brighter in each class. */
async function smallTask(): Promise<TuningTask & { model: Model }> {
  const convolutions = [4, 4, 4, 4, 8, 8, 8, 12, 12, 12, 8, 8, 8];
  const { model } = randomModel({
    ...{ configuration: "D", input: { height: 64, width: 64, channels: 3 } },
    ...{ convolutions, dense: [], pooling: undefined, head: undefined },
  });
  const shape = { height: 4, width: 5, channels: 12 }, next = random(4), count = 24;
  const records = new RecordsInMemory();
  for (let n = 0; n < count; n++) {
    const bytes = Uint8Array.from(
      { length: recordBytes(shape) },
      (_, at) => next() * 156 + (at % 3 === n % 3 ? 100 : 0),
    );
    for (const at of [0, bytes.length / 2]) new DataView(bytes.buffer).setFloat32(at, 1 / 64, true);
    await records.append([bytes]);
  }
  const length = shape.channels + 8;
  return {
    ...{ model, maps: new Maps(records, shape), classes: 3, withMaps: true, mirrored: false },
    labels: Int32Array.from({ length: count }, (_, n) => n % 3),
    train: Uint32Array.from({ length: count - 6 }, (_, n) => n),
    held: Uint32Array.from({ length: 6 }, (_, n) => count - 6 + n),
    classWeights: Float32Array.of(1, 0.5, 2),
    transforms: [shape.channels, 8].map((length) => ({
      mean: new Float64Array(length),
      scale: new Float64Array(length).fill(1.5),
    })),
    block: await readBlock(model),
    head: {
      weight: Float32Array.from({ length: 3 * length }, () => next() - 0.5),
      bias: Float32Array.from({ length: 3 }, () => next() - 0.5),
    },
  };
}

Deno.test("the slope of each layer's weights and biases is what finite differences say", async () => {
  const task = await smallTask(), kernels = await TrainingKernels.start(2);
  try {
    const network = new TunedNetwork(kernels, task);
    const batch = [0, 1, 2, 3, 4].map((n) => ({ n, isMirrored: n % 2 === 1 }));
    const window = { top: 0, left: 1, height: 4, width: 4 };
    const { slopes } = network.slopes(batch, window);
    for (const [n, { at, length }] of network.parts.entries()) {
      // Those of the largest slopes: others are lost in the rounding of float32.
      const steepest = [...slopes.subarray(at, at + length).entries()]
        .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a)).slice(0, n === 7 ? 3 : 5);
      const ratios = steepest.map(([i, slope]) => {
        const k = at + i, value = network.values[k]!, step = 2e-4;
        const [up, down] = [step, -step].map((change) => {
          network.values[k] = value + change;
          return network.slopes(batch, window).loss;
        }) as [number, number];
        network.values[k] = value;
        return (up - down) / (2 * step) / slope;
      });
      // A ReLU or a maximum may turn over within the step: that is one of them, and not the one in the middle.
      const middle = ratios.sort((a, b) => a - b)[ratios.length >> 1]!;
      assertAlmostEquals(middle, 1, 3e-3, `part ${n}: ${ratios}`);
    }
  } finally {
    await kernels.end();
  }
});

Deno.test("training lowers the loss, and goes on from each epoch's state to the same numbers", async () => {
  const task = await smallTask(), kernels = await TrainingKernels.start(1);
  try {
    const options = { epochs: 12, learningRate: 3e-3, batchSize: 7, weightDecay: 0.01, seed: 1 };
    const kept: KeptState[] = [];
    const whole = await tune(kernels, task, { ...options, state: keepStates(kept) });
    const { history } = whole;
    assertEquals(history.length, 12);
    assert(history.at(-1)!.loss < 0.7 * history[0]!.loss, JSON.stringify(history));
    assertEquals(kept.length, 12);
    for (const [n, from] of kept.slice().entries()) {
      kept.length = 0;
      assertEquals(await tune(kernels, task, { ...options, state: keepStates(kept, from) }), whole);
      assertEquals(kept.length, 11 - n);
    }
    const other = await tune(kernels, task, { ...options, seed: 2 });
    assert(other.history[0]!.loss !== history[0]!.loss, "the order of pictures is the seed's");
  } finally {
    await kernels.end();
  }
});

/** The same on the first two rows and columns, of which every window is all, or with pictures that are their own mirror images. */
async function evenTask(
  { isSmall, isEven }: { readonly isSmall: boolean; readonly isEven: boolean },
): Promise<TuningTask> {
  const task = await smallTask(), { maps } = task, { channels } = maps.shape;
  const shape = isSmall ? { height: 2, width: 2, channels } : maps.shape;
  const records = new RecordsInMemory(), size = recordBytes(shape) / 2;
  const record = new Uint8Array(recordBytes(maps.shape)), half = record.length / 2;
  for (let n = 0; n < maps.store.count; n++) {
    maps.store.read(n, 0, record);
    const own = new Uint8Array(2 * size);
    for (const view of [0, 1]) {
      const begin = isEven ? 0 : view * half;
      own.set(record.subarray(begin, begin + size), view * size);
    }
    await records.append([own]);
  }
  return { ...task, maps: new Maps(records, shape) };
}

Deno.test("the order of pictures, their sides and their windows are each a matter of the seed", async () => {
  const kernels = await TrainingKernels.start(1);
  try {
    const once = { epochs: 1, learningRate: 3e-3, weightDecay: 0.01 };
    for (
      const [what, even, batchSize] of [
        ["order", { isSmall: true, isEven: true }, 7],
        ["sides", { isSmall: true, isEven: false }, 100],
        ["windows", { isSmall: false, isEven: true }, 100],
        ["nothing", { isSmall: true, isEven: true }, 100],
      ] as const
    ) {
      const task = await evenTask(even);
      const losses: number[] = [];
      for (const seed of [1, 2, 3, 4, 5]) {
        const { history } = await tune(kernels, task, { ...once, batchSize, seed });
        losses.push(history[0]!.loss);
      }
      // Sums in another order differ in their last bits, and there are few windows.
      const different = new Set(losses.map((loss) => loss.toFixed(6))).size;
      assert(what === "nothing" ? different === 1 : different > 2, `${what}: ${losses}`);
    }
  } finally {
    await kernels.end();
  }
});

Deno.test("of the same pictures training tells the loss that their judgement has", async () => {
  const task = await evenTask({ isSmall: true, isEven: true });
  const kernels = await TrainingKernels.start(1);
  try {
    const options = { epochs: 1, learningRate: 1e-30, batchSize: 7, weightDecay: 0, seed: 1 };
    const { history: [epoch] } = await tune(kernels, { ...task, held: task.train }, options);
    // Float32, and sums in another order.
    assertAlmostEquals(epoch!.loss, epoch!.validationLoss, 1e-5);
    assert(Math.abs(epoch!.loss - Math.log(3)) > 0.01, "it is no guess");
  } finally {
    await kernels.end();
  }
});

Deno.test("what is above and what below is learned, of which averages say nothing", async () => {
  const small = await smallTask(), kernels = await TrainingKernels.start(1), next = random(12);
  const count = 120, shape = { height: 4, width: 4, channels: 12 };
  try {
    const records = new RecordsInMemory(), half = recordBytes(shape) / 2;
    for (let n = 0; n < count; n++) {
      const bytes = new Uint8Array(2 * half), column = Math.floor(next() * 4);
      for (const [view, x] of [column, 3 - column].entries()) {
        new DataView(bytes.buffer).setFloat32(view * half, 1 / 64, true);
        for (const [y, channel] of [[1, n % 2], [2, 1 - n % 2]] as const) {
          bytes[view * half + 4 + (y * 4 + x) * 12 + channel] = 255;
        }
      }
      await records.append([bytes]);
    }
    const task = {
      ...{
        ...small,
        maps: new Maps(records, shape),
        classes: 2,
        classWeights: Float32Array.of(1, 1),
      },
      labels: Int32Array.from({ length: count }, (_, n) => n % 2),
      train: Uint32Array.from({ length: 80 }, (_, n) => n),
      held: Uint32Array.from({ length: 40 }, (_, n) => 80 + n),
      head: { weight: new Float32Array(40), bias: new Float32Array(2) },
    };
    const options = { epochs: 30, learningRate: 1e-3, batchSize: 16, weightDecay: 0.01, seed: 0 };
    const { history, bestEpoch } = await tune(kernels, task, options);
    assertEquals(history[bestEpoch - 1]!.validationAccuracy, 1, JSON.stringify(history));
  } finally {
    await kernels.end();
  }
});

Deno.test("no epoch is kept if none judges the held pictures better than what it began with", async () => {
  const task = await smallTask(), kernels = await TrainingKernels.start(1);
  try {
    const options = { learningRate: 3e-3, batchSize: 7, weightDecay: 0.01, seed: 1 };
    // Held pictures are those that it learns from, with wrong labels: the better it learns, the worse it judges.
    const train = Uint32Array.from({ length: 6 }, (_, n) => n);
    const labels = task.labels.map((label, n) => n < 6 ? label : (task.labels[n - 6]! + 1) % 3);
    const records = new RecordsInMemory();
    const record = new Uint8Array(recordBytes(task.maps.shape));
    for (let n = 0; n < 12; n++) {
      task.maps.store.read(n % 6, 0, record);
      // Its mirror image is the picture itself, so that nothing else is learned.
      record.copyWithin(record.length / 2, 0, record.length / 2);
      await records.append([record]);
    }
    const contrary = {
      ...{ ...task, train, held: train.map((n) => n + 6), labels: labels.slice(0, 12) },
      maps: new Maps(records, task.maps.shape),
    };
    // A head that judges the held pictures as they are labeled.
    const begin = { ...contrary, train: contrary.held };
    const learned = await tune(kernels, begin, { ...options, epochs: 300, learningRate: 3e-3 });
    const stopped = await tune(
      kernels,
      { ...contrary, block: copyOf(learned.block), head: learned.head },
      { ...options, epochs: 3, learningRate: 3e-2 },
    );
    assertEquals(stopped.history.length, 3);
    assertEquals(stopped.bestEpoch, 0);
    assertEquals(stopped.block, learned.block);
  } finally {
    await kernels.end();
  }
});

const copyOf = (block: readonly BlockLayer[]): BlockLayer[] =>
  block.map((layer) => ({ ...layer, filter: layer.filter.slice(), bias: layer.bias.slice() }));

Deno.test("an update shrinks weights by their own rate times the decay, and no bias", async () => {
  const task = await smallTask(), kernels = await TrainingKernels.start(1), next = random(5);
  try {
    // The head sees zeros, and each class has as many pictures: the slope of everything is exactly 0.
    const transforms = task.transforms.map(({ mean, scale }) => ({ mean, scale: scale!.fill(0) }));
    const weight = Float32Array.from({ length: 2 * 20 }, () => next() - 0.5);
    const head = { weight, bias: Float32Array.of(0.5, 0.5) };
    const block = task.block.map(({ bias, ...layer }) => ({ ...layer, bias: bias.fill(0.25) }));
    const two = {
      ...{ ...task, classes: 2, transforms, head, block, classWeights: Float32Array.of(1, 1) },
      labels: task.labels.map((_, n) => n % 2),
      ...{ train: Uint32Array.of(0, 1, 2, 3), held: Uint32Array.of(4, 5) },
    };
    const options = { epochs: 1, learningRate: 0.5, batchSize: 4, weightDecay: 0.75, seed: 0 };
    const values: Float32Array[] = [];
    await tune(kernels, two, {
      ...options,
      state: {
        load: ({ value }) => Promise.resolve(void values.push(value!.slice())),
        save: ({ updates }, { value }) => {
          assertEquals(updates, 1);
          return Promise.resolve(void values.push(value!.slice()));
        },
      },
    });
    const [before, after] = values as [Float32Array, Float32Array];
    // The schedule begins at a fiftieth, and the head learns 20 times as fast.
    const rate = 0.5 / 50;
    let at = 0;
    const check = (length: number, part: number): void => {
      for (const end = at + length; at < end; at++) {
        assertAlmostEquals(after[at]!, before[at]! * part, 1e-7 * Math.abs(before[at]!), `${at}`);
      }
    };
    for (const { filter, bias } of block) {
      check(filter.length, 1 - rate * 0.75);
      check(bias.length, 1);
    }
    check(head.weight.length, 1 - 20 * rate * 0.75);
    check(head.bias.length, 1);
    assertEquals(at, after.length);
  } finally {
    await kernels.end();
  }
});

Deno.test("a guess has the loss ln K, of pictures that are learned from and of held ones", async () => {
  const task = await smallTask(), kernels = await TrainingKernels.start(1);
  try {
    const head = { weight: task.head.weight.map(() => 0), bias: new Float32Array(3) };
    const options = { epochs: 1, learningRate: 1e-30, batchSize: 7, weightDecay: 0, seed: 1 };
    const { history: [epoch] } = await tune(kernels, { ...task, head }, options);
    // Means in float64 of some equal numbers, to which updates of 1e-30 add nothing.
    assertAlmostEquals(epoch!.loss, Math.log(3), 1e-12);
    assertAlmostEquals(epoch!.validationLoss, Math.log(3), 1e-12);
  } finally {
    await kernels.end();
  }
});

Deno.test("a last block that is read and written again is the same in int8, within a step", async () => {
  const { model } = await smallTask();
  const again = withBlock(model, await readBlock(model));
  const names = layersOf(model.architecture).map(({ name }) => name);
  assertEquals(again.parameters.map(({ name }) => name), names);
  const weightsOf = async ({ weights, parameters }: Model): Promise<Map<string, number[]>> => {
    const found = new Map<string, number[]>();
    for await (const { layer, first, count, data } of weights()) {
      const { scale } = parameters.find(({ name }) => name === layer)!;
      const inner = data.length / count, own = found.get(layer) ?? [];
      own.push(...Array.from(data, (value, i) => value * scale[first + Math.floor(i / inner)]!));
      found.set(layer, own);
    }
    return found;
  };
  const [before, after] = [await weightsOf(model), await weightsOf(again)];
  assertEquals([...after.keys()], names);
  for (const name of names) {
    const steps = model.parameters.find((own) => own.name === name)!.scale;
    const inner = before.get(name)!.length / steps.length;
    const isTuned = name.startsWith("conv5_");
    before.get(name)!.forEach((value, i) => {
      const step = steps[Math.floor(i / inner)]!;
      // An error is half a step, and one more where errors of a window are made to add up to nothing.
      assertAlmostEquals(after.get(name)![i]!, value, isTuned ? 1.6 * step : 0, `${name} ${i}`);
    });
  }
  await using engine = await createEngine(again, { backend: "wasm" });
  const batch = { data: new Uint8Array(64 * 64 * 3).fill(99), count: 1, height: 64, width: 64 };
  assertEquals((await engine.run(batch, { layer: "pool5" })).shape, [1, 2, 2, 8]);
});

/** Held pictures of two classes, of which some of each are wrong by a margin. */
function heldLogits(wrong: readonly [number, number], margin: number): Float64Array {
  return Float64Array.from({ length: 2 * 49 }, (_, at) => {
    const n = at >> 1, own = n < 25 ? 0 : 1, isWrong = n - 25 * own < wrong[own]!;
    return at % 2 === own ? isWrong ? -margin : 2 : 0;
  });
}

Deno.test("heads are compared in whole pictures, then by the cross-entropy; as good is enough", () => {
  const held = Uint32Array.from({ length: 49 }, (_, n) => n);
  const task = {
    ...{ classes: 2, classWeights: Float32Array.of(1, 1) },
    labels: Int32Array.from(held, (n) => n < 25 ? 0 : 1),
  };
  // 0.9183 and 0.9175 are both 46 of 50; one more that is right is 47, however sure the others are.
  const even = heldLogits([2, 2], 4), uneven = heldLogits([1, 3], 0.1);
  const fewer = heldLogits([1, 2], 4);
  for (
    const [name, one, other, expected] of [
      ["less sure of what is wrong", uneven, even, true],
      ["surer of it", even, uneven, false],
      ["one more", fewer, uneven, true],
      ["one less", uneven, fewer, false],
      ["the same", even, even.slice(), true],
    ] as const
  ) assertEquals(isAsGood(task, held, one, other), expected, name);
});

Deno.test("fit() with fineTune tells apart what the frozen layers do not, in an ordinary model file", async () => {
  const data = pictures(0, 20), unseen = pictures(20, 30).samples;
  const images = unseen.map(({ image }) => image as Pixels); // As pictures() gives them.
  const right = async (bytes: Uint8Array): Promise<number> => {
    await using classifier = await loadClassifier({ model: bytes, backend: "wasm" });
    const found = await classifier.classify(images);
    return found.filter(([best], n) => best!.index === unseen[n]!.label).length / images.length;
  };
  const { fineTune: _, epochs, learningRate: _rate, batchSize: _size, ...frozen } = OPTIONS;
  const plain = await fit(data, frozen);
  const tuned = await fit(data, OPTIONS);
  const { history, bestEpoch, assessment } = tuned;
  assertEquals(history!.length, epochs);
  assert(bestEpoch! > 0, "an epoch was better than none");
  assert(history!.at(-1)!.loss < history![0]!.loss, JSON.stringify(history));
  assertEquals([assessment.judged, assessment.folds.length], [12, 1]);
  assert(tuned.training.includes("whose last block learned, too"), tuned.training);
  const [ofPlain, ofTuned] = [await right(plain.bytes), await right(tuned.bytes)];
  assert(ofTuned > ofPlain, `${ofTuned} of unseen pictures, ${ofPlain} without fine-tuning`);

  // Only the last block and the head differ.
  const weightsOf = async (bytes: Uint8Array): Promise<Map<string, string>> => {
    const model = await openModel(bytes), found = new Map<string, string>();
    for await (const { layer, data } of model.weights()) {
      found.set(layer, (found.get(layer) ?? "") + new Uint8Array(data.slice().buffer).toBase64());
    }
    return found;
  };
  const [before, after] = [await weightsOf(plain.bytes), await weightsOf(tuned.bytes)];
  for (const [name, own] of before) {
    assertEquals(after.get(name) === own, !name.startsWith("conv5_"), name);
  }
  const [one, other] = [await openModel(plain.bytes), await openModel(tuned.bytes)];
  assertEquals(other.readout!.features, one.readout!.features);
});

Deno.test("fit() with fineTune reads all pictures again when it has learned, and refuses if one is gone", async () => {
  const { labels, samples } = pictures(0, 20);
  let hasLearned = false, opened = 0;
  const changed = samples.map((sample, n) => ({
    ...sample,
    image: n !== 7 ? sample.image : () => {
      opened++;
      if (hasLearned) throw new Error("no such file");
      return sample.image as Pixels; // As pictures() gives them.
    },
  }));
  await assertRejects(
    () =>
      fit({ labels, samples: changed }, {
        ...OPTIONS,
        onProgress: ({ epoch }) => void (hasLearned ||= epoch !== undefined),
      }),
    Error,
    "0/7 cannot be read any more: ",
  );
  assertEquals([hasLearned, opened > 1], [true, true]);
});

Deno.test("fit() with fineTune that is interrupted in an epoch makes the model of one that is not", async () => {
  const directory = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const data = pictures(0, 8), options = { ...OPTIONS, epochs: 3 };
    const whole = await fit(data, options);
    const stages: string[] = [];
    for (const stop of ["features", "train"]) {
      const controller = new AbortController();
      await assertRejects(
        () =>
          fit(data, {
            ...{ ...options, directory, signal: controller.signal },
            onProgress: ({ stage, epoch, done }) => {
              stages.push(stage);
              const isThere = stage === "train" ? epoch?.epoch === 1 : (done ?? 0) > 0;
              if (stage === stop && isThere) controller.abort();
            },
          }),
        DOMException,
      );
    }
    const epochs: number[] = [];
    const resumed = await fit(data, {
      ...{ ...options, directory },
      onProgress: ({ epoch }) => epoch && epochs.push(epoch.epoch),
    });
    assertEquals(epochs, [2, 3], "it went on after the first epoch");
    assertEquals(resumed.bytes, whole.bytes);
    assertEquals(resumed.assessment, whole.assessment);
    const samples = data.samples.map((own) => ({ ...own, label: (own.label + 1) % 3 }));
    epochs.length = 0;
    await fit({ ...data, samples }, {
      ...{ ...options, directory },
      onProgress: ({ epoch }) => epoch && epochs.push(epoch.epoch),
    });
    assertEquals(epochs, [1, 2, 3], "other labels begin anew");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("fineTune refuses what has no effect beside it, and what it cannot train", async () => {
  const refused: [FitOptions, string][] = [
    [{ folds: 3 }, "folds has no effect beside fineTune"],
    [{ patience: 3 }, "patience has no effect beside fineTune"],
    [{ optimizer: "sgd" }, "optimizer has no effect beside fineTune"],
    [{ hidden: 8 }, "leave out hidden"],
    [{ head: "nearest" }, "leave out head"],
    [{ whitening: "pca" }, "found whitening pca"],
    [
      { layer: "pool4" },
      "fineTune trains what pool5 says, beside pool4 or without: found layer pool4",
    ],
    [{ layer: ["pool3", "pool5"] }, "found layer pool3, pool5"],
    [{ pooling: "quarters" }, "leave out pooling"],
    [{ sides: [32, 64] }, "found 2 sides"],
  ];
  for (const [options, message] of refused) {
    await assertRejects(
      () => fit(pictures(0, 2, 2), { ...OPTIONS, ...options } as FitOptions),
      RangeError,
      message,
    );
  }
  checkInMemory(2 ** 20, 2048);
  assertThrows(() => checkInMemory(2 ** 20, 2049), RangeError, "give a directory");
});

Deno.test("a window of a map has its own values, of the picture or of its mirror image", () => {
  const shape = { height: 3, width: 4, channels: 2 }, values = 3 * 4 * 2;
  const record = new Uint8Array(recordBytes(shape)), view = new DataView(record.buffer);
  for (const [side, scale] of [0.5, 2].entries()) {
    const begin = side * (4 + values);
    view.setFloat32(begin, scale, true);
    for (let i = 0; i < values; i++) record[begin + 4 + i] = 100 * side + i;
  }
  const records = new RecordsInMemory();
  records.append([record]);
  const maps = new Maps(records, shape), window = { top: 1, left: 2, height: 2, width: 2 };
  for (const [isMirrored, scale, first] of [[false, 0.5, 0], [true, 2, 100]] as const) {
    const into = new Float32Array(2 * 2 * 2);
    maps.read(0, isMirrored, window, into);
    const places = [[1, 2], [1, 3], [2, 2], [2, 3]].map(([y, x]) => (y! * 4 + x!) * 2);
    assertEquals([...into], places.flatMap((at) => [at, at + 1].map((i) => scale * (first + i))));
  }
});
