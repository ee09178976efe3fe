/** What a fit keeps of pictures belongs to these, whatever else the next fit learns from. */

import { assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import type { Dataset } from "../../lib/input/dataset.ts";
import { listSamples } from "../../lib/input/list_samples.ts";
import { sha256 } from "../../lib/io/sha256.ts";
import { fit, type FitOptions } from "../../lib/train/fit.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { catsAndDogs, pictureOf } from "../support/fitted.ts";
import { pngOf, withPictures } from "../support/picture_folder.ts";

const OPTIONS = { model: CIFAR10, backend: "wasm", sides: [32], mirror: "off" } as const;

/** Fits with what a directory keeps, and tells how many pictures and epochs were computed. */
async function fitIn(directory: string | undefined, data: Dataset, options: FitOptions = {}) {
  const reached: Record<string, number[]> = { features: [], train: [] };
  const { bytes } = await fit(data, {
    ...{ ...OPTIONS, ...options, directory, out: undefined },
    onProgress: ({ stage, done }) => void reached[stage]?.push(done),
  });
  const [first] = reached.features!, last = reached.features!.at(-1)!;
  // Of what has millions of bytes no difference can be shown.
  const model = await sha256(bytes);
  return { model, pictures: last - first!, epochs: new Set(reached.train).size - 1 };
}

Deno.test("pictures that come, go, change or move cost what is new alone, and give a fresh fit's model", async () => {
  await withPictures(async (folder, data) => {
    const directory = join(folder, "fit"), pictures = join(folder, "pictures");
    const cat = (n: number): string => join(pictures, "cat", `${n}.png`);
    const expectComputed = async (data: Dataset, expected: number, message: string) => {
      const { model, pictures } = await fitIn(directory, data);
      assertEquals(pictures, expected, message);
      assertEquals(model, (await fitIn(undefined, data)).model, message);
    };
    await expectComputed(data, 80, "at first");
    await expectComputed(data, 0, "the same");
    await expectComputed(
      { ...data, samples: data.samples.toReversed() },
      0,
      "in another order",
    );
    for (const n of [40, 41]) await Deno.writeFile(cat(n), await pngOf(3, n));
    await Deno.remove(cat(7));
    await Deno.writeFile(cat(3), await pngOf(3, 45));
    await expectComputed(await listSamples(pictures), 3, "two new ones, one removed, one changed");
    const moved = data.samples.filter(({ file }) => file !== cat(7))
      .map((sample) => sample.file === cat(5) ? { ...sample, label: 1 } : sample);
    await expectComputed({ ...data, samples: moved }, 0, "another label, and two fewer");
    // Other contents of the same size, and the same contents at another time.
    const bytes = await Deno.readFile(cat(9));
    await Deno.writeFile(cat(9), bytes);
    await Deno.utime(cat(9), new Date(), new Date(1e12));
    await expectComputed({ ...data, samples: moved }, 1, "another time");
  });
});

Deno.test("pictures in memory are known by what they show, whatever they are called", async () => {
  const directory = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const data = catsAndDogs(12), { samples } = data;
    assertEquals((await fitIn(directory, data)).pictures, 24);
    const renamed = samples.map((sample, n) => ({ ...sample, file: `other ${n}` }));
    assertEquals((await fitIn(directory, { ...data, samples: renamed })).pictures, 0);
    // The same name, of another picture.
    const others = samples.map((sample, n) =>
      n === 4 ? { ...sample, image: pictureOf(3, 30) } : sample
    );
    const { pictures, model } = await fitIn(directory, { ...data, samples: others });
    assertEquals(pictures, 1);
    assertEquals(model, (await fitIn(undefined, { ...data, samples: others })).model);
    // Bytes, and those that a function gives, too; not what can be read once and is told by nothing else.
    const png = await pngOf(3, 31);
    const asBytes = samples.map((sample, n) => n === 4 ? { ...sample, image: png } : sample);
    const asStream = samples.map((sample, n) =>
      n === 4 ? { ...sample, image: () => Promise.resolve(new Blob([png.slice()])) } : sample
    );
    assertEquals((await fitIn(directory, { ...data, samples: asBytes })).pictures, 1);
    assertEquals((await fitIn(directory, { ...data, samples: asStream })).pictures, 0);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

for (
  const options of [
    { hidden: 8, epochs: 3, patience: 3, validation: 0.25 },
    { fineTune: "conv5", epochs: 1, validation: 0.25, sides: [64] },
  ] satisfies FitOptions[]
) {
  Deno.test(`a training goes on with the same pictures and labels alone: ${JSON.stringify(options)}`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "vgg16-test-" });
    try {
      const data = catsAndDogs(12), { samples } = data;
      const first = await fitIn(directory, data, options);
      assertEquals((await fitIn(directory, data, options)).model, first.model);
      const [a, b] = [samples[0]!, samples[13]!];
      const cases = {
        "two labels swapped": samples.map((sample) =>
          sample === a || sample === b ? { ...sample, label: 1 - sample.label } : sample
        ),
        "two pictures of a class in another order": [samples[1]!, a, ...samples.slice(2)],
        "another picture of the same name": [
          { ...a, image: pictureOf(3, 40) },
          ...samples.slice(1),
        ],
        "one picture fewer": samples.slice(1),
      };
      for (const [name, samples] of Object.entries(cases)) {
        const changed = { ...data, samples };
        const { model } = await fitIn(directory, changed, options);
        assertEquals(model, (await fitIn(undefined, changed, options)).model, name);
        assertNotEquals(model, first.model, name);
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("maps that a disk has damaged are computed again, and make the same model", async () => {
  const directory = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const data = catsAndDogs(12);
    const options = { fineTune: "conv5", epochs: 2, learningRate: 1e-3, sides: [64] } as const;
    const { model } = await fitIn(directory, data, options);
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    const path = join(directory, names.find((name) => name.startsWith("maps-"))!);
    const maps = await Deno.readFile(path);
    for (const { begin, length } of [{ begin: 0.3, length: 0.5 }, { begin: 0.9, length: 0 }]) {
      for (const name of names.filter((name) => name.startsWith("training-"))) {
        await Deno.remove(join(directory, name));
      }
      const damaged = maps.slice(0, length === 0 ? begin * maps.length : maps.length);
      damaged.fill(200, begin * maps.length, (begin + length) * maps.length);
      await Deno.writeFile(path, damaged);
      assertEquals((await fitIn(directory, data, options)).model, model);
      assertEquals(await Deno.readFile(path), maps);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
