/**
 * Prints what CIFAR-10's model scores on CIFAR-10's 10,000 test images, for each backend and
 * precision, and how many labels are the same. On a software GPU the webgpu backend takes minutes:
 * `deno task evaluate:cifar10 wasm` leaves it out.
 *
 * @module
 */

import { BackendUnavailableError } from "../../lib/errors.ts";
import { loadClassifier } from "../../lib/classifier.ts";
import { ProgressLine } from "../../lib/cli/progress.ts";
import type { Backend, Precision } from "../../lib/engine/engine.ts";
import { type Cifar10, imageAt, loadCifar10 } from "./cifar10.ts";
import { model } from "./mod.ts";

const BATCH = 250;

/** Predicts all images: the index of the best label of each. */
async function predictAll(
  set: Cifar10,
  backend: Backend,
  precision: Precision,
): Promise<Uint8Array> {
  await using classifier = await loadClassifier({ model, backend, precision });
  const predicted = new Uint8Array(set.labels.length);
  using progress = new ProgressLine(`${backend} ${precision}`);
  for (let first = 0; first < predicted.length; first += BATCH) {
    progress.update(first, predicted.length);
    const count = Math.min(BATCH, predicted.length - first);
    const images = Array.from({ length: count }, (_, n) => imageAt(set, first + n));
    const predictions = await classifier.classify(images, { topK: 1 });
    predictions.forEach(([best], n) => predicted[first + n] = best.index);
  }
  return predicted;
}

const BACKENDS = ["wasm", "webgpu"] as const;
const backends = BACKENDS.filter((name) => Deno.args.length === 0 || Deno.args.includes(name));
const set = await loadCifar10("test");
const total = set.labels.length;
let reference: { name: string; predicted: Uint8Array } | undefined;
for (const precision of ["int8", "float"] as const) {
  for (const backend of backends) {
    const name = `${backend} ${precision}`.padEnd(13);
    const start = performance.now();
    let predicted: Uint8Array;
    try {
      predicted = await predictAll(set, backend, precision);
    } catch (error) {
      if (!(error instanceof BackendUnavailableError)) throw error;
      console.log(`${name} ${error.message}`);
      continue;
    }
    const seconds = (performance.now() - start) / 1000;
    const right = set.labels.filter((label, n) => predicted[n] === label).length;
    const accuracy = (right / total * 100).toFixed(2);
    console.log(
      `${name} ${right} of ${total} right: ${accuracy} %  (${seconds.toFixed(1)} s)`,
    );
    reference ??= { name: name.trim(), predicted };
    const first = reference.predicted;
    const same = predicted.filter((label, n) => label === first[n]).length;
    if (predicted !== first) {
      console.log(`${"".padEnd(13)} ${same} of ${total} labels are those of ${reference.name}`);
    }
  }
}
