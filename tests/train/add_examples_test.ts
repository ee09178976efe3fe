import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { loadClassifier } from "../../lib/classifier.ts";
import { decodeImage } from "../../lib/image/decode.ts";
import type { Pixels } from "../../lib/image/image.ts";
import { cropImage } from "../../lib/image/resize.ts";
import type { Dataset } from "../../lib/input/dataset.ts";
import { openModel } from "../../lib/model/file.ts";
import { addExamples } from "../../lib/train/add_examples.ts";
import { fit } from "../../lib/train/fit.ts";
import { CIFAR10 } from "../support/cifar10.ts";

const SIDE = 32;
const sheet = await decodeImage(
  await Deno.readFile(new URL("../fixtures/cifar10/sheet.png", import.meta.url)),
);

/** Pictures of some of CIFAR-10's classes, which are rows of the sheet. */
function pictures(rows: Readonly<Record<string, number>>, first: number, count: number): Dataset {
  const samples = Object.values(rows).flatMap((row, label) =>
    Array.from({ length: count }, (_, n) => {
      const place = { left: (first + n) * SIDE, top: row * SIDE, width: SIDE, height: SIDE };
      return { file: `${row}/${first + n}`, label, image: cropImage(sheet, place) };
    })
  );
  return { samples, labels: Object.keys(rows) };
}

const OPTIONS = { backend: "wasm" } as const;
const nearest = (data: Dataset) => fit(data, { ...OPTIONS, model: CIFAR10, head: "nearest" });
const few = await nearest(pictures({ cat: 3, ship: 8 }, 0, 6));

Deno.test("addExamples() gives the model that a fit on all pictures gives", async () => {
  const more = await addExamples(few.bytes, pictures({ truck: 9, cat: 3 }, 6, 4), OPTIONS);
  assertEquals([more.labels, more.examples, more.added], [["cat", "ship", "truck"], [10, 6, 4], 8]);
  const own = pictures({ cat: 3 }, 0, 10).samples, ships = pictures({ ship: 8 }, 0, 6).samples;
  const all = await nearest({
    labels: more.labels,
    samples: [
      ...own,
      ...ships.map((sample) => ({ ...sample, label: 1 })),
      ...pictures({ truck: 9 }, 6, 4).samples.map((sample) => ({ ...sample, label: 2 })),
    ],
  });
  const [added, fitted] = [await openModel(more.bytes), await openModel(all.bytes)];
  assertEquals(added.readout!.features, fitted.readout!.features);
  assertEquals(added.provenance.dataSha256, undefined);
  assert(added.provenance.training!.endsWith(", and 8 examples added"), added.provenance.training);
  // Folds differ, and so does the temperature; the examples are the same.
  const scores = async (bytes: Uint8Array<ArrayBuffer>): Promise<Float64Array[]> => {
    const model = { ...await openModel(bytes), temperature: 1 };
    await using classifier = await loadClassifier({ ...OPTIONS, model });
    return await classifier.scores(
      pictures({ cat: 3, truck: 9 }, 20, 5).samples.map(({ image }) => image as Pixels),
    );
  };
  const [a, b] = [await scores(more.bytes), await scores(all.bytes)];
  a.forEach((row, n) => row.forEach((score, c) => assertAlmostEquals(score, b[n]![c]!, 1e-9)));
  assert(added.temperature! > 0);
});

Deno.test("addExamples() leaves out what is an example already, and keeps it as one of another class", async () => {
  const data = pictures({ truck: 9, cat: 3 }, 4, 4);
  const once = await addExamples(few.bytes, data, OPTIONS);
  assertEquals([once.examples, once.added, once.repeated], [[8, 6, 4], 6, 2]);
  const twice = await addExamples(once.bytes, data, OPTIONS);
  assertEquals([twice.examples, twice.added, twice.repeated], [[8, 6, 4], 0, 8]);
  assertEquals(twice.bytes, once.bytes);
  const samples = data.samples.filter(({ label }) => label === 1);
  const asShips = { labels: data.labels.with(1, "ship"), samples };
  assertEquals((await addExamples(once.bytes, asShips, OPTIONS)).examples, [8, 10, 4]);
});

Deno.test("addExamples() judges no picture by its altered copies", async () => {
  const { samples: [ship], labels } = pictures({ ship: 8 }, 0, 1);
  const { data, ...size } = ship!.image as Pixels;
  const copies = [1, 2, 3, 4].map((by) => ({
    ...ship!,
    image: { ...size, data: data.map((value) => Math.min(255, value + by)) },
  }));
  const cats = pictures({ cat: 3 }, 0, 7);
  const one = { ...ship!, label: 1 };
  const base = await nearest({ labels: ["cat", "ship"], samples: [...cats.samples, one] });
  const { bytes, added } = await addExamples(base.bytes, { labels, samples: copies }, OPTIONS);
  assertEquals(added, 4);
  // Of the cats too few are left to tell, and the ships, which are one picture, are not judged.
  assertEquals((await openModel(bytes)).sureScore, undefined);
});

Deno.test("addExamples() leaves out what it cannot read, and writes a file", async () => {
  const data = pictures({ truck: 9 }, 0, 3);
  const broken = { file: "broken.jpg", label: 0, image: new TextEncoder().encode("no picture") };
  const out = await Deno.makeTempFile({ suffix: ".safetensors" });
  try {
    const given = { labels: data.labels, samples: [...data.samples, broken] };
    const { skipped, size, examples, ...rest } = await addExamples(few.bytes, given, {
      ...OPTIONS,
      out,
    });
    assertEquals(skipped.map(({ file, label }) => [file, label]), [["broken.jpg", "truck"]]);
    assertEquals([(await Deno.stat(out)).size, examples], [size, [6, 6, 3]]);
    assertEquals("bytes" in rest, false);
  } finally {
    await Deno.remove(out);
  }
});

Deno.test("addExamples() refuses a model that has no examples", async () => {
  const data = pictures({ truck: 9 }, 0, 3);
  const own = { ...OPTIONS, model: CIFAR10, head: "linear" } as const;
  const linear = await fit(pictures({ cat: 3, ship: 8 }, 0, 4), own);
  for (const model of [CIFAR10, linear.bytes]) {
    await assertRejects(
      () => addExamples(model, data, OPTIONS),
      RangeError,
      "no examples to add to",
    );
  }
});
