/**
 * Prints the WGSL that computes a layer of VGG16 on this machine: what loads on it have chosen, or the
 * default. `docs/kernels.md` explains the names.
 *
 * - `deno task wgsl`: a line for each program of a layer
 * - `deno task wgsl conv3_2 [--precision float] [--on gpu|software] [--cache-dir DIR]`: the programs
 * - `deno task wgsl --update`: renews the snapshots that a test holds
 *
 * @module
 */

import { parseArgs } from "node:util";
import { randomVgg16 } from "../bench/vgg16.ts";
import type { Precision } from "../lib/engine/engine.ts";
import type { Size } from "../lib/engine/geometry.ts";
import { compileProgram, type Program } from "../lib/engine/program.ts";
import { acquireGpu, releaseGpu } from "../lib/engine/webgpu/device/device.ts";
import { type MemoryKind, programCode, type Tensor } from "../lib/engine/webgpu/device/tfjs.ts";
import { planLayers } from "../lib/engine/webgpu/resident/plan.ts";
import { type LayerStep, recordRun } from "../lib/engine/webgpu/resident/record.ts";
import { candidateOf, defaultTuning, type Tuning } from "../lib/engine/webgpu/tuning/tile.ts";
import { tune } from "../lib/engine/webgpu/tuning/tune.ts";
import { defaultCacheDir } from "../lib/io/cache.ts";

/** One step of a run, without a GPU. */
export interface PrintedStep {
  readonly step: LayerStep;
  /** How its layer is computed. */
  readonly candidate: string;
  /** Where the inputs and, last, the output lie. */
  readonly kinds: readonly MemoryKind[];
}

/** The steps of one image through VGG16, at 224x224 if nothing else is said. */
export function stepsOf(
  precision: Precision,
  tuning: Tuning,
  program: Program = compileProgram(randomVgg16()),
  { height, width }: Size = program.input,
): PrintedStep[] {
  const results = new Set<Tensor>();
  // Nobody reads these: a step is made of what a tensor is for, not of what is in it.
  const allocate = (vectors: number): Tensor => ({ dataId: {}, shape: [vectors], dtype: "int32" });
  const plan = planLayers(program, precision, { count: 1, height, width });
  const { steps } = recordRun({
    program,
    precision,
    tuning,
    table: allocate(1),
    weights: new Map(program.layers.map(({ name }) => [name, allocate(1)])),
    constants: new Map(program.layers.map(({ name }) => [name, allocate(1)])),
    reserve: (_, vectors) => allocate(vectors),
    allocateResult(vectors) {
      const tensor = allocate(vectors);
      results.add(tensor);
      return tensor;
    },
  }, plan);
  return steps.map((step) => ({
    step,
    candidate: candidateOf(tuning, plan.find(({ layer }) => layer.name === step.layer)!),
    kinds: [...Object.values(step.inputs), step.output].map((tensor) =>
      results.has(tensor) ? "buffer" : tuning.memory
    ),
  }));
}

/** A step's program, under what it is called with. */
export function programText({ step, candidate, kinds }: PrintedStep): string {
  const { layer, dispatch, inputs } = step;
  const parameters = Object.entries(dispatch.parameters).map(([name, value]) => `${name} ${value}`);
  const head = [
    `${layer} (${candidate}): ${dispatch.name}`,
    `${dispatch.workgroups.join(" x ")} workgroups of ${dispatch.workgroupSize} lanes`,
    `parameters: ${parameters.join(", ")}`,
  ];
  const comment = head.map((line) => wrap(`// ${line}`, "//   ")).join("\n");
  return `${comment}\n\n${formatWgsl(programCode(dispatch, Object.keys(inputs), kinds))}`;
}

const WIDTH = 100;

/** Brings WGSL into lines of statements, indented by its braces. Changes only white space. */
export function formatWgsl(code: string): string {
  const lines: string[] = [];
  const blocks: string[] = [];
  let text = "";
  let parentheses = 0;
  const flush = (end: string = ""): void => {
    const line = (text + end).trim();
    text = "";
    if (line === "") return;
    const indent = "  ".repeat(blocks.length);
    const before = lines.at(-1);
    const isItem = /^(fn|struct|\/\/)/.test(line) || before?.startsWith("}");
    if (blocks.length === 0 && line !== "}" && isItem && before && !before.startsWith("//")) {
      lines.push("");
    }
    lines.push(wrap(indent + line, `${indent}    `));
  };
  for (const part of code.matchAll(/\/\/.*|[{}();,]|\s+|[^\s{}();,/]+|\//g)) {
    const token = part[0];
    if (token.startsWith("//")) {
      flush();
      text = token;
      flush();
    } else if (token.trim() === "") {
      text += " ";
    } else if (token === "{") {
      const opening = text.trim();
      flush("{");
      blocks.push(opening);
    } else if (token === "}") {
      flush();
      blocks.pop();
      text = "}";
      flush();
    } else if (token === ";" && parentheses === 0) {
      // A struct ends with `};`.
      if (text.trim() === "") lines.push(`${lines.pop()};`);
      else flush(";");
      text = "";
    } else if (token === "," && parentheses === 0 && blocks.at(-1)?.startsWith("struct")) {
      flush(",");
    } else {
      if (token === "(") parentheses++;
      if (token === ")") parentheses--;
      text += token;
    }
  }
  flush();
  return `${lines.join("\n")}\n`;
}

/** Breaks a line at spaces. */
function wrap(line: string, indent: string): string {
  const rows: string[] = [];
  while (line.length > WIDTH) {
    const at = line.lastIndexOf(" ", WIDTH);
    if (at <= indent.length) break;
    rows.push(line.slice(0, at));
    line = indent + line.slice(at + 1);
  }
  return [...rows, line].join("\n");
}

/** The programs that a test holds: the layer, the kernel, and the machine of which they are the default. */
export const SNAPSHOTS = [
  { file: "first_convolution", layer: "conv1_1", kernel: "first-convolution", isFallback: false },
  { file: "direct_convolution", layer: "conv3_2", kernel: "convolution", isFallback: false },
  { file: "winograd_multiply", layer: "conv1_2", kernel: "winograd-multiply", isFallback: true },
  { file: "dense", layer: "fc7", kernel: "dense", isFallback: false },
] as const;

const FOLDER = new URL("../tests/engine/webgpu/wgsl/", import.meta.url);

/** Where a snapshot is. */
export function snapshotUrl({ file }: Pick<typeof SNAPSHOTS[number], "file">): URL {
  return new URL(`${file}.wgsl`, FOLDER);
}

/** What a snapshot should be. */
export function snapshotText({ layer, kernel, isFallback }: typeof SNAPSHOTS[number]): string {
  return programText(
    stepsOf("int8", defaultTuning(isFallback))
      .find(({ step }) => step.layer === layer && step.kernel === kernel)!,
  );
}

/** What this machine would run: what was timed here before, and otherwise the default. */
async function tuningHere(precision: Precision, cacheDir: string): Promise<Tuning> {
  const gpu = await acquireGpu();
  try {
    return await tune(gpu, compileProgram(randomVgg16()), precision, cacheDir, { budgetMs: 0 });
  } finally {
    await releaseGpu();
  }
}

/** A row for each program of a layer. */
function printTable(steps: readonly PrintedStep[]): void {
  const rows = Map.groupBy(
    steps,
    ({ step, candidate }) =>
      [step.layer.padEnd(8), candidate.padEnd(36), step.dispatch.name].join(" "),
  );
  for (const [row, { length }] of rows) console.log(length > 1 ? `${row}, ${length} times` : row);
}

async function main(): Promise<void> {
  const { values, positionals: [layer] } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      update: { type: "boolean" },
      precision: { type: "string", default: "int8" },
      on: { type: "string" },
      "cache-dir": { type: "string" },
    },
  });
  const { update, precision, on } = values;
  if (update) {
    for (const snapshot of SNAPSHOTS) {
      await Deno.writeTextFile(snapshotUrl(snapshot), snapshotText(snapshot));
    }
    return;
  }
  if (precision !== "int8" && precision !== "float") {
    throw new RangeError(`--precision must be int8 or float: found ${precision}`);
  }
  if (on !== undefined && on !== "gpu" && on !== "software") {
    throw new RangeError(`--on must be gpu or software: found ${on}`);
  }
  const tuning = on === undefined
    ? await tuningHere(precision, values["cache-dir"] ?? defaultCacheDir())
    : defaultTuning(on === "software");
  const steps = stepsOf(precision, tuning);
  if (layer === undefined) return printTable(steps);
  const chosen = steps.filter(({ step }) => step.layer === layer);
  if (chosen.length === 0) {
    const names = [...new Set(steps.map(({ step }) => step.layer))];
    throw new RangeError(`Unknown layer "${layer}": expected one of ${names.join(", ")}`);
  }
  // Chunks of a layer run the same programs.
  const programs = Map.groupBy(chosen, ({ step }) => step.dispatch.name);
  console.log([...programs.values()].map(([first]) => programText(first)).join("\n"));
}

if (import.meta.main) await main();
