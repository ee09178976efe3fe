/** `profile`: what each layer costs on this machine. */

import { type Classifier, loadClassifier } from "../classifier.ts";
import type { LayerProfile } from "../engine/engine.ts";
import { completeOptions, flag, pickOptions, PROFILE_OPTIONS, type Table } from "../options.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import { megabytes } from "./progress.ts";
import { CLASSIFIER_FLAGS, CLASSIFIER_TITLE } from "./run.ts";
import { textTable } from "./table.ts";
import { print, printJson, tell } from "./terminal.ts";

const { batch, runs } = PROFILE_OPTIONS;
const OWN = {
  ...{ batch, runs },
  json: flag({ default: false }, "One JSON object a layer: layer, ms, operations, candidate"),
} satisfies Table;
const OPTIONS = { ...OWN, ...CLASSIFIER_FLAGS };

export const profileCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS]",
  options: OPTIONS,
  titles: CLASSIFIER_TITLE,

  async run(operands, options, signal) {
    if (operands.length > 0) throw new UsageError("profile takes no files");
    const { batch, runs, json } = completeOptions(OWN, options);
    const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), onWarning: tell, signal };
    await using classifier = await loadClassifier(wanted);
    const layers = await classifier.profile({ batch, runs, signal });
    if (json) layers.forEach((layer) => printJson(layer));
    else printTable(classifier, batch, layers);
    return 0;
  },
};

function printTable(
  classifier: Classifier,
  count: number,
  layers: readonly LayerProfile[],
): void {
  const { model, backend, device, precision, threads } = classifier.info;
  const { bytesResident } = classifier.usage();
  const total = layers.reduce((sum, { ms }) => sum + ms, 0);
  const operations = layers.reduce((sum, { operations }) => sum + operations, 0);
  const row = (name: string, ms: number, ops: number, candidate: string): string[] => [
    name,
    ms.toFixed(3),
    (ops / 1e6 / Math.max(ms, 1e-6)).toFixed(1),
    `${(ms / total * 100).toFixed(1)} %`,
    candidate,
  ];
  print([
    `${model}, ${backend} ${precision}, ${device}, ${threads} ` +
    `thread${threads > 1 ? "s" : ""}, ${megabytes(bytesResident)}, batch of ${count}`,
    "",
  ]);
  print(textTable([
    ["layer", "ms", "GOP/s", "share", "kernel"],
    ...layers.map(({ layer, ms, operations, candidate }) => row(layer, ms, operations, candidate)),
    row("all", total, operations, ""),
  ]));
}
