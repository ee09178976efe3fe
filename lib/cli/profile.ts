/** `profile`: what each layer costs on this machine. */

import type { Classifier } from "../classifier.ts";
import type { LayerProfile } from "../engine/engine.ts";
import type { Model } from "../model/model.ts";
import {
  completeOptions,
  pickOptions,
  PROFILE_OPTIONS,
  RESOLVE_OPTIONS,
  type Table,
} from "../options.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import { openClassifier, openModel } from "./loading.ts";
import { megabytes } from "./progress.ts";
import { type Format, FORMAT_FLAGS, formatOf, Results } from "./results.ts";
import { CLASSIFIER_FLAGS } from "./run.ts";
import { settingsOf } from "./settings.ts";
import { textTable } from "./table.ts";
import { print } from "./terminal.ts";

const { batch, runs } = PROFILE_OPTIONS;
const OWN = { batch, runs } satisfies Table;
const OPTIONS = { ...OWN, ...FORMAT_FLAGS, ...CLASSIFIER_FLAGS } satisfies Table;

export const profileCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS]",
  examples: [
    { line: "vgg16 profile" },
    { line: "vgg16 profile --backend wasm --threads 1 --batch 16" },
  ],
  options: OPTIONS,
  groups: { "What is measured": ["batch", "runs"] },

  async run(operands, options, signal) {
    if (operands.length > 0) throw new UsageError("profile takes no files");
    const { batch, runs } = completeOptions(OWN, options), format = formatOf(options);
    const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal };
    const model = await openModel(options.model, pickOptions(RESOLVE_OPTIONS, wanted));
    await using classifier = await openClassifier({ ...wanted, model });
    const layers = await classifier.profile({ batch, runs, signal });
    if (format === "text") printTable(classifier, batch, layers);
    else printRecords(format, classifier, model, batch, layers);
    return 0;
  },
};

function printRecords(
  format: Format,
  { info }: Classifier,
  model: Model,
  batch: number,
  layers: readonly LayerProfile[],
): void {
  const { backend, device, threads } = info;
  const own = { backend, device, threads: String(threads), batch: String(batch) };
  const results = new Results<LayerProfile>(format, {
    settings: settingsOf("profile", [model], info, own),
    columns: ["layer", "ms", "operations", "candidate"],
    record: (layer) => layer,
    rows: ({ layer, ms, operations, candidate }) => [[layer, ms, operations, candidate]],
    text: () => [],
  });
  for (const layer of layers) results.add(layer);
  results.end();
}

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
