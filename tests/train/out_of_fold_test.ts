/** What a fit says of its pictures is what heads say that had not learned from them. */

import { assert, assertEquals } from "@std/assert";
import { loadClassifier } from "../../lib/classifier.ts";
import type { Dataset } from "../../lib/input/dataset.ts";
import { openModel } from "../../lib/model/file.ts";
import { fit, type FitOptions } from "../../lib/train/fit.ts";
import { NEVER, stratifiedFolds } from "../../lib/train/folds.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { catsAndDogs, pictureOf } from "../support/fitted.ts";

const OPTIONS = { model: CIFAR10, backend: "wasm", head: "linear", mirror: "off" } as const;

Deno.test("an assessment is what fits on the other folds say of each picture", async () => {
  const data = catsAndDogs(12), { labels, samples } = data, seed = 3;
  const options = { ...OPTIONS, head: "nearest", layer: "pool4", folds: 4, seed } as const;
  const { assessment, accuracy } = await fit(data, options);
  assertEquals([assessment.duplicates, assessment.judged], [[], 24]);
  const folds = stratifiedFolds(samples.map(({ label }) => label), 2, { folds: 4, seed });
  const confusion = [[0, 0], [0, 0]], byFold: number[] = [];
  for (let fold = 0; fold < 4; fold++) {
    const { bytes: model } = await fit(
      { labels, samples: samples.filter((_, n) => folds[n] !== fold) },
      { ...options, out: undefined },
    );
    await using classifier = await loadClassifier({ model, backend: "wasm" });
    const held = samples.filter((_, n) => folds[n] === fold);
    const own = [[0, 0], [0, 0]];
    for (const { image, label } of held) {
      const [{ index }] = await classifier.classify(image);
      confusion[label]![index]!++;
      own[label]![index]!++;
    }
    byFold.push(
      own.reduce((sum, row, c) => sum + row[c]! / row.reduce((a, b) => a + b), 0) / own.length,
    );
  }
  assertEquals(assessment.confusion, confusion);
  assertEquals(accuracy, (confusion[0]![0]! + confusion[1]![1]!) / 24);
  assertEquals(assessment.folds, byFold);
  assert(accuracy < 1, "so that something is at stake");
});

/** Cats, each three times under another name, of classes that were drawn. */
const COPIES: Dataset = {
  labels: ["even", "odd"],
  samples: Array.from({ length: 36 }, (_, n) => ({
    file: `${n}`,
    label: n % 12 % 2,
    image: pictureOf(3, n % 12),
  })),
};

for (
  const options of [{}, { head: "nearest" }, { hidden: 8, epochs: 40, validation: 0.4 }] as const
) {
  Deno.test(`no copy of a picture judges it: ${JSON.stringify(options)}`, async () => {
    const { assessment } = await fit(COPIES, { ...OPTIONS, ...options });
    const groups = assessment.duplicates.map((group) => group.map(({ file }) => Number(file)));
    assertEquals(groups, Array.from({ length: 12 }, (_, n) => [n, n + 12, n + 24]));
    // Nothing but its copies tells whether a cat is even: who has seen one is always right.
    assert(assessment.accuracy < 0.8, `${assessment.accuracy} right`);
    assertEquals(assessment.judged % 3, 0);
    const { colors } = assessment.baselines;
    assert(colors.accuracy < 0.8, `colors: ${colors.accuracy}`);
  });
}

for (const head of ["linear", "nearest"] as const) {
  Deno.test(`classes of one and of three pictures are learned, and told to be small: ${head}`, async () => {
    const { labels, samples } = catsAndDogs(12);
    const ship = { file: "ship/0", label: 2, image: pictureOf(8, 0) };
    const data = { labels: [...labels, "ship"], samples: [...samples.slice(0, 15), ship] };
    const { bytes, assessment } = await fit(data, { ...OPTIONS, head, out: undefined });
    assertEquals(
      assessment.classes.map(({ label, pictures, judged, isSmall }) => [
        ...[label, pictures, judged, isSmall],
      ]),
      [["cat", 12, 12, false], ["dog", 3, 3, true], ["ship", 1, 0, true]],
    );
    assert(Number.isNaN(assessment.classes[2]!.recall));
    assert(assessment.balancedAccuracy >= 0 && assessment.balancedAccuracy <= 1);
    assertEquals((await openModel(bytes)).labels, data.labels);
    await using classifier = await loadClassifier({ model: bytes, backend: "wasm" });
    assertEquals((await classifier.classify(ship.image))[0].label, "ship");
    assertEquals((await classifier.classify(pictureOf(8, 1)))[0].label, "ship");
  });
}

Deno.test("one picture a class is enough, and judges nothing", async () => {
  const { labels, samples } = catsAndDogs(1);
  for (const head of ["linear", "nearest"] as const) {
    const options: FitOptions = { ...OPTIONS, head };
    const { bytes, assessment, calibration } = await fit({ labels, samples }, {
      ...options,
      out: undefined,
    });
    assertEquals([assessment.judged, assessment.folds], [0, []]);
    assertEquals(calibration, { temperature: 1 });
    await using classifier = await loadClassifier({ model: bytes, backend: "wasm" });
    for (const { image, label } of samples) {
      assertEquals((await classifier.classify(image))[0].index, label);
    }
  }
  const folds = stratifiedFolds([0, 1], 2);
  assertEquals([...folds], [NEVER, NEVER]);
});
