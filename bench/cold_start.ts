/**
 * Cold starts: whole processes, in turns, ours with each model and one that only imports tfjs.
 *
 * `deno task bench:cold [--rounds N] [--threads N,N] [--entry edge] [--picture FILE] [MODEL …]`; without a name,
 * all models of the checkout. The peer is `@tensorflow/tfjs-core` with the backend `cpu`, the least of TensorFlow.js
 * that can compute something. A table's row has medians, and the least in brackets.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { basename } from "@std/path";
import { CATALOG } from "../lib/model/catalog.ts";
import { measure, type Measurement, type Subject } from "./measure.ts";

const SUBJECT = new URL("cold_subject.ts", import.meta.url).pathname;

function subject(engine: string, threads: number, ...args: string[]): Subject {
  const command = [Deno.execPath(), "run", "--allow-all", "--no-lock", SUBJECT, ...args];
  return { engine, backend: "wasm", precision: "int8", threads, command };
}

/** The models that come with a checkout. */
const EMBEDDED = CATALOG.filter(({ file }) => file !== undefined).map(({ id }) => id);

/** `cpu` is user and system time of all threads. */
const PARTS = ["import", "load", "first image", "cpu"];

function cellsOf(row: Measurement, peer: Measurement): string[] {
  const { parts = {}, leastParts = {} } = row;
  const times = PARTS.map((name) =>
    parts[name] === undefined ? "–" : `${parts[name].toFixed(0)} (${leastParts[name].toFixed(0)})`
  );
  return [
    ...[row.subject.engine, String(row.subject.threads), ...times],
    `${row.medianMs.toFixed(0)} (${row.minMs.toFixed(0)})`,
    ...[row.medianMs / peer.medianMs, parts.cpu / peer.parts!.cpu].map((x) => x.toFixed(2)),
    row.peakMb.toFixed(0),
  ];
}

const { values: { rounds, threads, entry, picture }, positionals } = parseArgs({
  options: {
    rounds: { type: "string", default: "11" },
    threads: { type: "string", default: "1,2" },
    entry: { type: "string" },
    picture: { type: "string", default: "tests/data/photos/cat.png" },
  },
  allowPositionals: true,
});
const module = entry === undefined ? "../mod.ts" : `../lib/entries/${entry}.ts`;
const models = positionals.length > 0 ? positionals : EMBEDDED;
const subjects = [
  subject("tfjs, imported", 1, "tfjs"),
  ...models.flatMap((model) =>
    threads.split(",").map((n) =>
      subject(basename(model, ".safetensors"), Number(n), model, n, module, picture)
    )
  ),
];
const rows = await measure({
  ...{ name: "cold-start", work: "cold start", subjects, fresh: true },
  turns: { warmUp: 0, rounds: Number(rounds), runs: 1 },
});
const columns = [
  ...["", "threads", ...PARTS.map((name) => `${name}, ms`), "process, ms"],
  ...["process / tfjs", "cpu / tfjs", "peak, MB"],
];
for (
  const cells of [
    columns,
    columns.map(() => "---"),
    ...rows.map((row) => cellsOf(row, rows[0])),
  ]
) {
  console.log(`| ${cells.join(" | ")} |`);
}
