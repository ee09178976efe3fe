/** `profile`: what each layer costs on this machine. */

import { createEngine } from "../engine/create.ts";
import type { Batch, Engine, LayerProfile } from "../engine/engine.ts";
import type { Model } from "../model/model.ts";
import { resolveModel } from "../open_model.ts";
import { permittedCacheDir } from "../io/cache.ts";
import { completeOptions, flag, integer, type Table } from "../options.ts";
import { UsageError } from "./usage_error.ts";
import type { Command } from "./command.ts";
import { megabytes } from "./progress.ts";
import { CLASSIFIER_FLAGS, CLASSIFIER_TITLE } from "./run.ts";
import { textTable } from "./table.ts";
import { print, printJson, tell } from "./terminal.ts";

const OWN = {
  batch: integer({ min: 1, max: 64, default: 1 }, "Images at once"),
  runs: integer({ min: 1, max: 100, default: 5 }, "Runs, of which each layer's median counts"),
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
    const { offline } = options;
    const model = await resolveModel(options.model, { offline, signal, onWarning: tell });
    const { backend, precision, threads } = options, cacheDir = permittedCacheDir();
    await using engine = await createEngine(model, {
      backend,
      precision,
      threads,
      cacheDir,
      signal,
    });
    const layers = await medianProfile(engine, blankBatch(model, batch), runs, signal);
    if (json) layers.forEach((layer) => printJson(layer));
    else printTable(engine, model, batch, layers);
    return 0;
  },
};

/** The median time of each layer; one run before does not count. */
async function medianProfile(
  engine: Engine,
  batch: Batch,
  runs: number,
  signal: AbortSignal,
): Promise<LayerProfile[]> {
  if (engine.profile === undefined) {
    throw new UsageError(`The ${engine.backend} engine cannot time its layers here`);
  }
  await engine.run(batch, { signal });
  const results: LayerProfile[] = [];
  for (let run = 0; run < runs; run++) {
    results.push(...await engine.profile(batch, { signal }));
  }
  return [...Map.groupBy(results, ({ layer }) => layer).values()]
    .map((times) => times.sort((a, b) => a.ms - b.ms)[times.length >> 1]!);
}

/** Gray images: what the pixels are does not change the time. */
function blankBatch(model: Model, count: number): Batch {
  const { height, width, channels } = model.architecture.input;
  const data = new Uint8Array(count * height * width * channels).fill(128);
  return { data, count, height, width };
}

function printTable(
  engine: Engine,
  model: Model,
  count: number,
  layers: readonly LayerProfile[],
): void {
  const { backend, device, precision, threads, bytesResident } = engine;
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
    `${model.id}, ${backend} ${precision}, ${device}, ${threads} ` +
    `thread${threads > 1 ? "s" : ""}, ${megabytes(bytesResident)}, batch of ${count}`,
    "",
  ]);
  print(textTable([
    ["layer", "ms", "GOP/s", "share", "kernel"],
    ...layers.map(({ layer, ms, operations, candidate }) => row(layer, ms, operations, candidate)),
    row("all", total, operations, ""),
  ]));
}
