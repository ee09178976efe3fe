/** Explanations of models that `fit` made, held against how their heads' logits change. */

import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { loadClassifier } from "../../lib/classifier.ts";
import type { Pixels } from "../../lib/image/image.ts";
import { openModel } from "../../lib/model/file.ts";
import type { Readout } from "../../lib/model/readout.ts";
import { readoutLogits } from "../../lib/output/readout.ts";
import type { FitOptions } from "../../lib/train/fit.ts";
import { catsAndDogs, fittedModel, pictureOf } from "../support/fitted.ts";

const PICTURE = pictureOf(5, 30);

/** How a class's logit changes with each feature, by differences; where one is 0 a root has no slope. */
function slopesOf(readout: Readout, row: Float32Array, index: number): number[] {
  return Array.from(row, (feature, i) => {
    if (feature === 0) return 0;
    const at = (value: number) => readoutLogits(readout, row.with(i, value), 2)[index]!;
    const [above, below] = [Math.fround(feature * 1.01), Math.fround(feature * 0.99)];
    return (at(above) - at(below)) / (above - below);
  });
}

for (
  const options of [{}, { head: "nearest" }, {
    hidden: 6,
    epochs: 30,
  }] as const satisfies readonly FitOptions[]
) {
  Deno.test(`a map is how a logit changes with what each position says: ${JSON.stringify(options)}`, async () => {
    const layers = ["pool3", "pool5"] as const;
    const bytes = await fittedModel({ ...options, layer: layers, sides: [64], mirror: "off" });
    const { readout } = await openModel(bytes);
    await using classifier = await loadClassifier({ model: bytes, backend: "wasm" });
    const seen = await Promise.all(layers.map((layer) => classifier.embed(PICTURE, { layer })));
    const averages = await Promise.all(
      layers.map((layer) => classifier.embed(PICTURE, { layer, pooling: "avg" })),
    );
    const row = Float32Array.from(averages.flatMap(({ data }) => [...data]));
    for (const index of [0, 1]) {
      const { map, height, width } = await classifier.explain(PICTURE, { label: index });
      assertEquals([height, width], [8, 8]); // pool3's, of 64 pixels
      const slopes = slopesOf(readout!, row, index);
      const want = Float64Array.from(map, (_, p) => {
        const y = Math.floor(p / 8), x = p % 8;
        let first = 0;
        return seen.reduce((sum, { data, shape: [side, , channels] }) => {
          const position = Math.floor(y * side! / 8) * side! + Math.floor(x * side! / 8);
          for (let c = 0; c < channels!; c++) {
            sum += slopes[first + c]! * data[position * channels! + c]! / 64;
          }
          first += channels!;
          return sum;
        }, 0);
      });
      const largest = Math.max(...want);
      assert(largest > 0);
      want.forEach((value, p) => {
        assertAlmostEquals(map[p]!, Math.max(0, value), 2e-3 * largest, `position ${p}`);
      });
    }
  });
}

for (
  const [pooling, layer, sides] of [
    ["none", "pool4", 64],
    ["quarters", "pool4", 64],
    ["quarters", "pool5", 32],
    ["none", "pool5", 32],
  ] as const
) {
  Deno.test(`a map of a head that sees parts of a layer: ${pooling} of ${layer} at ${sides}`, async () => {
    const bytes = await fittedModel({ layer, pooling, sides: [sides], mirror: "off" });
    const { readout } = await openModel(bytes);
    await using classifier = await loadClassifier({ model: bytes, backend: "wasm" });
    const { data } = await classifier.embed(PICTURE, { layer });
    const side = sides === 64 ? 4 : 1, channels = data.length / side ** 2;
    const at = (p: number, c: number) => data[p * channels + c]!;
    // Of each feature the positions of which it is the average.
    const positions = Array.from({ length: side ** 2 }, (_, p) => p);
    const parts = pooling === "none" || side === 1
      ? positions.map((p) => [p])
      : [0, 2, 8, 10].map((p) => [p, p + 1, p + 4, p + 5]);
    const row = Float32Array.from(parts.flatMap((own) =>
      Array.from(
        { length: channels },
        (_, c) => own.reduce((sum, p) => sum + at(p, c), 0) / own.length,
      )
    ));
    const { map, height, width, index, grid } = await classifier.explain(PICTURE);
    assertEquals([height, width], [side, side]);
    // The positions divide the picture evenly.
    assertEquals(grid, { offset: [0.5 / side, 0.5 / side], step: [1 / side, 1 / side] });
    const slopes = slopesOf(readout!, row, index);
    const want = positions.map((p) => {
      const part = parts.findIndex((own) => own.includes(p)), { length } = parts[part]!;
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += slopes[part * channels + c]! * at(p, c) / length;
      return Math.max(0, sum);
    });
    const largest = Math.max(...want, 1e-3);
    want.forEach((value, p) => assertAlmostEquals(map[p]!, value, 2e-3 * largest, `position ${p}`));
  });

  Deno.test(`a head that sees parts of a layer takes no views of other sizes: ${pooling} of ${layer} at ${sides}`, async () => {
    await using classifier = await loadClassifier({
      model: await fittedModel({ layer, pooling, sides: [sides] }),
      backend: "wasm",
    });
    const message = `each part of ${layer} takes views of one size`;
    await assertRejects(() => classifier.explain(PICTURE, { scale: 96 }), RangeError, message);
    for (const crops of ["dense", "dense+multi"] as const) {
      const views = { crops, scales: [96] };
      await assertRejects(() => classifier.scores(PICTURE, views), RangeError, message);
      await assertRejects(() => classifier.prepare(PICTURE, views), RangeError, message);
    }
    assertEquals((await classifier.scores(PICTURE, { crops: "ten", scales: [96] })).length, 2);
  });
}

Deno.test("of a head that sees a dense layer there is nothing to show, which is said", async () => {
  for (const layer of ["fc7", ["pool5", "fc6"]] as const) {
    await using classifier = await loadClassifier({
      model: await fittedModel({ layer }),
      backend: "wasm",
    });
    const message = typeof layer === "string" ? "sees fc7" : "sees fc6";
    await assertRejects(() => classifier.explain(PICTURE), RangeError, message);
  }
});

Deno.test("the map points at the picture of the class that is asked for", async () => {
  const model = await fittedModel({ layer: ["pool4", "pool5"], head: "linear" });
  await using classifier = await loadClassifier({ model, backend: "wasm" });
  const { samples } = catsAndDogs(10), [cat, dog] = [samples[0]!.image, samples[10]!.image];
  const both: Pixels = { width: 64, height: 32, data: new Uint8Array(64 * 32 * 3) };
  for (let y = 0; y < 32; y++) {
    both.data.set(cat.data.subarray(y * 96, (y + 1) * 96), y * 192);
    both.data.set(dog.data.subarray(y * 96, (y + 1) * 96), y * 192 + 96);
  }
  for (const [label, isLeft] of [["cat", true], ["dog", false]] as const) {
    const { map, width } = await classifier.explain(both, { label, scale: 32 });
    const halves = [0, 0];
    map.forEach((value, p) => halves[p % width < width / 2 ? 0 : 1]! += value);
    assertEquals(halves[0]! > halves[1]!, isLeft, `${label}: ${halves}`);
  }
});
