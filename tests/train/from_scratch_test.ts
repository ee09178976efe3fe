import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { loadClassifier } from "../../lib/classifier.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { readImage } from "../../lib/image/read.ts";
import type { Dataset } from "../../lib/input/dataset.ts";
import { SkippedSamples } from "../../lib/input/skipped_samples.ts";
import { viewsOf } from "../../lib/input/views.ts";
import { fit } from "../../lib/train/fit.ts";
import { fitFromScratch, type ScratchOptions } from "../../lib/train/fit_from_scratch.ts";
import { architectureOf, initialize } from "../../lib/train/network.ts";
import { pixelWhitening, whitenAll } from "../../lib/train/pixel_whitening.ts";
import { preprocessingOf, readAll } from "../../lib/train/pixels.ts";
import { floats, withTfjs } from "../../lib/train/tfjs.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { catsAndDogs } from "../support/fitted.ts";
import { random } from "../support/random_model.ts";

const SMALL = { configuration: "A", width: 1 / 16, dense: [], backend: "wasm" } as const;

Deno.test("fitFromScratch() needs no picture once it has read it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const { labels, samples } = catsAndDogs(8);
    const files = await Promise.all(samples.map(async ({ label, image }, n) => {
      const file = join(folder, `${n}.png`);
      await Deno.writeFile(file, await encodePng(image));
      return { file, label };
    }));
    const options = { ...SMALL, epochs: 1 };
    const whole = await fitFromScratch({ labels, samples: files }, options);
    // What it was judged by is what the model says of the files.
    await using classifier = await loadClassifier({ model: whole.bytes, backend: "wasm" });
    const { wrong } = whole.assessment;
    assert(wrong.length > 0);
    for (const { file, predicted, score } of wrong) {
      const [best] = await classifier.classify(file);
      assertEquals([best!.label, best!.score], [predicted, score]);
    }
    const removed = new Set<string>();
    const fitted = await fitFromScratch({ labels, samples: files }, {
      ...options,
      onProgress: ({ stage }) => {
        if (stage !== "train" || removed.size > 0) return;
        for (const { file } of files) {
          removed.add(file);
          Deno.removeSync(file);
        }
      },
    });
    assertEquals(removed.size, files.length);
    assertEquals([fitted.bytes, fitted.assessment], [whole.bytes, whole.assessment]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("fitFromScratch() learns from the bytes that a classifier makes of a file", async () => {
  // Of over 4 million pixels, so that a classifier decodes it in a smaller size.
  const width = 2200, height = 2000, next = random(5);
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, at) => 200 * ((at / 9000) % 1) + 50 * next(),
  );
  const image = await encodePng({ data, width, height });
  const { labels, samples: cats } = catsAndDogs(30);
  const samples = [{ file: "large.png", image, label: 0 }, ...cats];
  const kinds: Pick<ScratchOptions, "standardize" | "whitening">[] = [
    {},
    { standardize: "image" },
    { whitening: "zca" },
  ];
  for (const kind of kinds) {
    const options = { channels: 3, side: 32, configuration: "A", width: 1, dense: [] } as const;
    const architecture = architectureOf(options, 2), all = samples.map((_, n) => n);
    const { pixels } = await readAll(samples, architecture, new SkippedSamples(labels), kind);
    const whitening = kind.whitening === "zca"
      ? await pixelWhitening(pixels, all, architecture, 0, undefined)
      : undefined;
    if (whitening) await whitenAll(pixels, architecture, whitening, undefined);
    const preprocessing = preprocessingOf(pixels, all, architecture, kind, whitening);
    const [reduced, full] = await Promise.all(
      [32, undefined].map(async (shorterSide) =>
        viewsOf(await readImage(image, { shorterSide }), { architecture, preprocessing })[0]!.data
      ),
    );
    assertEquals(pixels.subarray(0, 32 * 32 * 3), reduced, JSON.stringify(kind));
    assertNotEquals(reduced, full, "it is so large");
  }
});

Deno.test("fitFromScratch() refuses patience, and says why", async () => {
  const options = { ...SMALL, patience: 3 } as ScratchOptions;
  await assertRejects(
    () => fitFromScratch(catsAndDogs(4), options),
    RangeError,
    "patience has no effect on fitFromScratch(), whose learning rate falls until the last epoch",
  );
});

/** Pictures of which those of a class are all but the same: it makes no difference which ones are kept. */
function alike(count: number): Dataset {
  const { labels, samples } = catsAndDogs(1);
  return {
    labels,
    samples: samples.flatMap(({ file, label, image }) =>
      Array.from({ length: count }, (_, n) => {
        const data = image.data.slice();
        data[n]! ^= 1;
        return { file: `${file} ${n}`, label, image: { ...image, data } };
      })
    ),
  };
}

Deno.test("each seed begins with weights of its own, and gives a model of its own", async () => {
  const still = { epochs: 1, learningRate: 1e-20, backend: "wasm" } as const, data = alike(10);
  const fits = {
    "fit() with a hidden layer": (seed: number) =>
      fit(data, { ...still, model: CIFAR10, hidden: 8, seed }),
    "fitFromScratch()": (seed: number) =>
      fitFromScratch(data, { ...SMALL, ...still, flip: false, shift: 0, seed }),
  };
  for (const [name, run] of Object.entries(fits)) {
    const [zero, again, one, large] = [
      await run(0),
      await run(0),
      await run(1),
      await run(2 ** 32),
    ];
    assertEquals(again!.bytes, zero!.bytes, name);
    // Nothing was learned: what differs is where it began.
    const losses = [zero, one, large].map(({ history }) => history![0]!.validationLoss);
    assert(Math.abs(losses[0]! - losses[1]!) > 1e-4, `${name}: ${losses}`);
    assertNotEquals(zero!.bytes, one!.bytes, name);
  }
});

Deno.test("another seed fine-tunes in another way", async () => {
  const data = alike(4), options = { model: CIFAR10, backend: "wasm", sides: [32] } as const;
  const run = async (seed: number) => {
    const how = { fineTune: "conv5", layer: "pool5", epochs: 1, learningRate: 1e-3 } as const;
    const { history } = await fit(data, { ...options, ...how, mirror: "off", seed });
    return history![0]!.validationLoss;
  };
  const [zero, again, one] = [await run(0), await run(0), await run(1)];
  assertEquals(again, zero);
  assertNotEquals(one, zero);
});

Deno.test("initialize() draws all filters from its seed", async () => {
  const architecture = architectureOf({ ...SMALL, dense: [4], side: 32, channels: 3 }, 2);
  await withTfjs((tf) => {
    const [zero, again, one] = [0, 0, 1].map((seed) =>
      tf.tidy(() =>
        initialize(tf, architecture, seed).layers.map(([filter]) => [...floats(filter!)])
      )
    );
    assertEquals(again, zero);
    zero!.forEach((own, n) => assertNotEquals(own, one![n]));
    return Promise.resolve();
  });
});
