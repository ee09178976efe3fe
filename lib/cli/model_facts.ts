/** What is told of a model. */

import { headOf } from "../model/architecture.ts";
import type { Model } from "../model/model.ts";
import { describeReadout } from "../model/readout.ts";
import { describePreprocessing } from "./describe_preprocessing.ts";
import { print, printJson } from "./terminal.ts";

/** What a model file says about itself. */
export function factsOf(model: Model): Readonly<Record<string, unknown>> {
  const { id, architecture, preprocessing, weightBytes, provenance, labels, readout } = model;
  const from = provenance.preprocessing;
  return {
    id,
    architecture,
    pooling: architecture.pooling,
    head: labels.length > 0 ? headOf(architecture) : undefined,
    readout: readout && describeReadout(readout),
    temperature: model.temperature,
    sureScore: model.sureScore,
    images: describePreprocessing(preprocessing) + (from === undefined ? "" : ` (${from})`),
    weightBytes,
    provenance,
    classes: labels.length,
  };
}

/** Prints facts, one a line, or as JSON. */
export function tellFacts(facts: Readonly<Record<string, unknown>>, json: boolean): void {
  if (json) return printJson(facts);
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined || value === null) continue;
    print(`${name.padEnd(14)} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  }
}
