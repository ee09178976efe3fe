/**
 * Benchmarks: our engines and their peers on the same work, side by side.
 *
 * `deno task bench [--only PATTERN] [--json]`; README.md beside this file says what is compared and
 * what came out.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { type Comparison, measure, type Measurement } from "./measure.ts";
import { WASM_COMPARISONS } from "./wasm.ts";
import { WEBGPU_COMPARISONS } from "./webgpu.ts";

const COMPARISONS: readonly Comparison[] = [...WASM_COMPARISONS, ...WEBGPU_COMPARISONS];

function printTable({ work, floor }: Comparison, rows: readonly Measurement[]): void {
  console.log(`\n${work}${floor === undefined ? "" : ` (floor: ${floor.toFixed(2)}x)`}`);
  const [ours] = rows;
  for (const row of rows) {
    const { engine, precision, threads } = row.subject;
    const name = `${engine}, ${precision}, ${threads} thread${threads > 1 ? "s" : ""}`;
    const ratio = row === ours
      ? ""
      : `ours is ${(row.medianMs / ours.medianMs).toFixed(2)}x faster`;
    const parts = row.parts
      ? Object.entries(row.parts).map(([part, ms]) => `${part} ${ms.toFixed(0)}`).join(", ")
      : `load ${row.loadMs.toFixed(0)}`;
    console.log(
      `  ${name.padEnd(52)} ${row.medianMs.toFixed(1).padStart(8)} ms` +
        `  (least ${row.minMs.toFixed(1)}, ${row.runs} runs; ${parts} ms;` +
        ` peak ${row.peakMb.toFixed(0)} MB)  ${ratio}`,
    );
  }
}

function printJson({ work }: Comparison, rows: readonly Measurement[]): void {
  for (const { subject, medianMs, runs, device } of rows) {
    const { engine, backend, precision, threads } = subject;
    console.log(
      JSON.stringify({ work, engine, backend, precision, threads, medianMs, runs, device }),
    );
  }
}

const { only, json } =
  parseArgs({ options: { only: { type: "string" }, json: { type: "boolean" } } }).values;
const pattern = new RegExp(only ?? "", "i");
const chosen = COMPARISONS.filter(({ name }) => pattern.test(name));
if (chosen.length === 0) {
  console.error(`No comparison matches "${only}": there are`);
  for (const { name } of COMPARISONS) console.error(`  ${name}`);
  Deno.exit(1);
}
for (const comparison of chosen) {
  try {
    const rows = await measure(comparison);
    (json ? printJson : printTable)(comparison, rows);
  } catch (error) {
    console.error(`${comparison.name}: ${error instanceof Error ? error.message : error}`);
    Deno.exitCode = 1;
  }
}
