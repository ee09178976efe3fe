/**
 * What `fit` is worth on data sets of your own: of each pair of folders the model that is fitted on the first
 * is evaluated on the second, with the defaults or with options as JSON. The processors' seconds are those of the
 * fit, on all cores; what learned in epochs is judged by the pictures that were kept for it, and in one part.
 *
 *     deno run --allow-all bench/fit.ts [--options JSON] TRAIN TEST [TRAIN TEST ...]
 *
 * @module
 */

import process from "node:process";
import { loadClassifier } from "../lib/classifier.ts";
import { evaluate } from "../lib/evaluate/evaluate.ts";
import { listSamples } from "../lib/input/list_samples.ts";
import { fit, type FitOptions } from "../lib/train/fit.ts";

const at = Deno.args.indexOf("--options");
const options: Omit<FitOptions, "out"> = at < 0 ? {} : JSON.parse(Deno.args[at + 1]!);
const folders = at < 0 ? Deno.args : Deno.args.toSpliced(at, 2);
const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

console.log(
  "| learned from, judged | seconds | of the processors | out of fold, balanced | colors | test pictures right |",
);
console.log("|---|---|---|---|---|---|");
for (let n = 0; n + 1 < folders.length; n += 2) {
  const [train, test] = [folders[n]!, folders[n + 1]!];
  const data = await listSamples(train), start = performance.now();
  const before = process.cpuUsage();
  const { bytes, assessment, bestEpoch } = await fit(data, {
    ...{ backend: "wasm", skipBad: true, ...options },
    out: undefined,
  });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before), { length: pictures } = data.samples;
  const { judged, balancedAccuracy, folds, baselines } = assessment;
  const mean = folds.reduce((a, b) => a + b, 0) / folds.length;
  const spread = Math.sqrt(
    folds.reduce((sum, own) => sum + (own - mean) ** 2, 0) / (folds.length - 1),
  );
  const parts = folds.length > 1 ? ` ± ${percent(spread)}` : `, epoch ${bestEpoch}`;
  await using classifier = await loadClassifier({ model: bytes, backend: "wasm" });
  const { samples } = await listSamples(test, data.labels);
  const { metrics: { top1, images } } = await evaluate(classifier, samples, { onError: () => {} });
  console.log(
    `| ${train}, ${judged} of ${pictures} | ${seconds.toFixed(0)} | ${
      ((user + system) / 1e6).toFixed(0)
    } | ${percent(balancedAccuracy)}${parts} | ${percent(baselines.colors.balancedAccuracy)} | ${
      Math.round(top1 * images)
    } of ${images}, ${percent(top1)} |`,
  );
}
