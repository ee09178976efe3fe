import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { loadClassifier } from "../lib/classifier.ts";
import { convert } from "../lib/convert/convert.ts";
import { pullModel } from "../lib/convert/pull/pull.ts";
import { evaluate } from "../lib/evaluate/evaluate.ts";
import { fuse } from "../lib/compose/fuse.ts";
import { encodePng } from "../lib/image/codecs/encode_png.ts";
import { listSamples } from "../lib/input/list_samples.ts";
import { openModel } from "../lib/model/file.ts";
import { fit, type FitOptions } from "../lib/train/fit.ts";
import { fitFromScratch, type ScratchOptions } from "../lib/train/fit_from_scratch.ts";
import { CIFAR10, CIFAR10_FILE } from "./support/cifar10.ts";

const CHECKPOINTS = new URL("fixtures/checkpoints/", import.meta.url);
const classifier = await loadClassifier({ model: CIFAR10, backend: "wasm", threads: 1 });

/** Noise, which takes a while on all scales. */
function noise(side: number, seed = 1): { data: Uint8Array; width: number; height: number } {
  const data = new Uint8Array(side * side * 3);
  for (let i = 0, x = seed; i < data.length; i++) data[i] = x = (x * 75 + 74) % 65_537;
  return { data, width: side, height: side };
}

const small = noise(32), large = noise(1024);
const SCALES = [512, 640, 768];
const pictures = Array.from({ length: 400 }, (_, n) => ({
  ...{ file: `${n}`, label: n % 2, image: noise(32, n + 1) },
}));
const data = { samples: pictures, labels: ["even", "odd"] };
const LONG = { epochs: 10_000, backend: "wasm" } as const;

async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Everything that takes time, made to take more of it than a timer of 5 ms. */
const CALLS: Readonly<Record<string, (signal: AbortSignal) => Promise<unknown>>> = {
  "classify()": (signal) =>
    classifier.classify(large, { crops: "dense+multi", scales: SCALES, signal }),
  "classify() of many small images": (signal) =>
    classifier.classify(Array.from({ length: 3000 }, () => small), { signal }),
  "scores()": (signal) => classifier.scores([large], { crops: "multi", scales: SCALES, signal }),
  "embed()": (signal) =>
    classifier.embed(Array.from({ length: 3000 }, () => small), { layer: "conv1_1", signal }),
  "explain()": (signal) => classifier.explain(large, { scale: 1024, signal }),
  "explain() by scores": (signal) =>
    classifier.explain(large, { method: "score-map", scale: 2048, signal }),
  "distance()": (signal) =>
    classifier.distance(small, large, {
      ...{ layers: Array.from({ length: 1000 }, () => "conv1_1" as const), signal },
    }),
  "profile()": (signal) => classifier.profile({ batch: 64, runs: 100, signal }),
  "fuse()": (signal) =>
    fuse([classifier, classifier])
      .classify(Array.from({ length: 3000 }, () => small), { signal }),
  "evaluate()": (signal) =>
    evaluate(
      classifier,
      Array.from({ length: 10 }, (_, n) =>
        pictures.map((picture) => ({
          ...picture,
          file: `${n} ${picture.file}`,
        }))).flat(),
      { signal },
    ),
  "fit()": (signal) => fit(data, { ...LONG, patience: 10_000, model: CIFAR10, hidden: 64, signal }),
  "fitFromScratch()": (signal) => fitFromScratch(data, { ...LONG, signal }),
  "fitFromScratch() as it whitens": (signal) =>
    fitFromScratch(data, { ...LONG, whitening: "zca", side: 96, signal }),
  // Again and again: how long one takes is a matter of whether the library of HDF5 is loaded already.
  "convert()": async (signal) => {
    for (let n = 0; n < 1000; n++) {
      await convert(new URL("keras_d.h5", CHECKPOINTS), { signal: AbortSignal.any([signal]) });
    }
  },
  "encodePng()": (signal) => encodePng(noise(2048), { signal }),
};

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test(`${name}: an abort in the middle ends it with its reason`, async () => {
    const abort = new AbortController(), reason = new Error("mine");
    const timer = setTimeout(() => abort.abort(reason), 5);
    try {
      assertEquals(await assertRejects(() => call(abort.signal)), reason);
    } finally {
      clearTimeout(timer);
    }
  });

  Deno.test(`${name}: a signal that is aborted before ends it at once`, async () => {
    const reason = new Error("mine");
    const thrown = await assertRejects(() => call(AbortSignal.abort(reason)));
    assertEquals(thrown, reason);
  });
}

Deno.test("what reads no image is ended by a signal that is aborted before, too", async () => {
  const signal = AbortSignal.abort(new Error("mine"));
  await withFolder(async (folder) => {
    const calls: readonly (() => Promise<unknown>)[] = [
      () => loadClassifier({ model: CIFAR10, backend: "wasm", signal }),
      () => openModel(CIFAR10_FILE, { signal }),
      () => pullModel("vgg16-imagenet", { cacheDir: folder, signal }),
      () => convert(new URL("d.npz", CHECKPOINTS), { out: join(folder, "out"), signal }),
      () => listSamples("tests/data/photos", undefined, { signal }),
      () => classifier.distance(small, small, { signal }),
      () => classifier.prepare(small, { signal }),
    ];
    for (const call of calls) {
      assertEquals(await assertRejects(call, Error, "mine", String(call)), signal.reason);
    }
  });
});

/** Fits whose first epoch has hundreds of updates. */
const LONG_EPOCHS: Readonly<
  Record<string, (options: Omit<FitOptions & ScratchOptions, "out">) => unknown>
> = {
  "fit()": (options) => fit(few, { ...options, model: CIFAR10, hidden: 8, batchSize: 1 }),
  "fitFromScratch()": (options) => fitFromScratch(few, { ...options, batchSize: 2, width: 1 / 16 }),
};
const few = { samples: pictures.slice(0, 100), labels: ["even", "odd"] };

for (const [name, start] of Object.entries(LONG_EPOCHS)) {
  Deno.test(`${name}: an abort is heard of in the middle of an epoch`, async () => {
    const abort = new AbortController(), reason = new Error("mine");
    let epochs = 0;
    const thrown = await assertRejects(async () =>
      await start({
        ...LONG,
        signal: abort.signal,
        onProgress({ stage, epoch }) {
          if (stage === "train" && epoch === undefined) setTimeout(() => abort.abort(reason), 5);
          if (epoch !== undefined) epochs++;
        },
      })
    );
    assertEquals([thrown, epochs], [reason, 0]);
  });
}

Deno.test("fitFromScratch(): an abort is heard of between pictures in memory", async () => {
  const abort = new AbortController(), reason = new Error("mine");
  const many = Array.from({ length: 20 }, () => pictures).flat();
  let read = 0;
  const thrown = await assertRejects(() =>
    fitFromScratch({ samples: many, labels: ["even", "odd"] }, {
      ...LONG,
      signal: abort.signal,
      onProgress({ stage, done }) {
        if (read === 0) setTimeout(() => abort.abort(reason), 5);
        if (stage === "features") read = done;
      },
    })
  );
  assertEquals(thrown, reason);
  assert(read < many.length, `${read} pictures were read`);
});

Deno.test("a conversion that is aborted reads no more of what it opens", async () => {
  const file = new URL("d_compressed.npz", CHECKPOINTS);
  const abort = new AbortController(), reason = new Error("mine");
  const Original = globalThis.DecompressionStream;
  let entries = 0;
  globalThis.DecompressionStream = class extends Original {
    constructor(format: CompressionFormat) {
      super(format);
      entries++;
      abort.abort(reason);
    }
  };
  try {
    assertEquals(await assertRejects(() => convert(file, { signal: abort.signal })), reason);
    assertEquals(entries, 1);
  } finally {
    globalThis.DecompressionStream = Original;
  }
});

Deno.test("a conversion that is aborted leaves no file", async () => {
  await withFolder(async (folder) => {
    for (const file of ["zip_d.pth", "d_compressed.npz", "keras_d.h5", "c_external.onnx"]) {
      const abort = new AbortController(), reason = new Error("mine");
      const thrown = await assertRejects(() =>
        convert(new URL(file, CHECKPOINTS), {
          out: join(folder, "model.safetensors"),
          signal: abort.signal,
          onProgress: () => abort.abort(reason),
        })
      );
      assertEquals(thrown, reason, file);
      assertEquals(await Array.fromAsync(Deno.readDir(folder)), [], file);
    }
  });
});
