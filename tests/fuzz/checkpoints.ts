/**
 * Converts mutated checkpoints: whatever is in a file, it gives a model or a named error, soon.
 *
 * `deno task fuzz:checkpoints [COUNT] [SEED] [FILE …]` runs COUNT mutations of every fixture, or of some, from a seed on; 0
 * draws one. What fails names its seed, which belongs into `failed_seeds.ts` then.
 *
 * @module
 */

import process from "node:process";
import { basename, fromFileUrl, join } from "@std/path";
import { convert } from "../../lib/convert/convert.ts";
import { CheckpointFormatError } from "../../lib/errors.ts";

const FIXTURES = new URL("../fixtures/checkpoints/", import.meta.url);

/** One file of each way of reading. */
export const FUZZED: readonly string[] = [
  "zip_d.pth",
  "zip_a_bn_channels_last.pth",
  "legacy_module_d.pth",
  "malicious.pth",
  ...["parts.pth", "older5.ckpt", "arrays2.pkl", "pickled.pkl", "quantized.pth", "module.pt"]
    .map((name) => `pytorch/${name}`),
  ...["traced.pt", "frozen.pt", "exported.pt2", "exported_files.pt2"].map((name) =>
    `pytorch/${name}`
  ),
  ...["shared_dictionaries.pth", "shared_modules.pth", "expanded.pth", "overlapping.npz"]
    .map((name) => `hostile/${name}`),
  "timm_e.safetensors",
  "d_bf16.safetensors",
  "keras_d.h5",
  "keras/k2_fine_tuned.h5",
  "keras/k3_int8.keras",
  "keras3_b.weights.h5",
  "d.npy",
  "python2_e.npy",
  "d.npz",
  "d_compressed.npz",
  ...["norm.msgpack", "mixed.npy"].map((name) => `tensors/${name}`),
  "v1_d.caffemodel",
  "new_e.caffemodel",
  "caffe/snapshot_bn.caffemodel",
  "caffe/weights.caffemodel.h5",
  "matconvnet/simplenn.mat",
  "matconvnet/simplenn_bn.mat",
  "matconvnet/dagnn_v73.mat",
  "c.onnx",
  "a_bn.onnx",
  "onnx/torch9_shapes.onnx",
  "onnx/qdq.onnx",
  "onnx/qoperator.onnx",
  "onnx/dynamic.onnx",
  "c_external.onnx",
  "tfjs_float32/model.json",
  "tfjs_uint8/model.json",
  "tfjs/saved/model.json",
  "tensorflow/graph_model/model.json",
  ...[
    "imported.tfmodel",
    "channels_first.pb",
    "keras2.zip",
    "slim_v1.ckpt",
    "module/saved_model.pb",
  ]
    .map((name) => `tensorflow/${name}`),
  ...["float16.tflite", "integer.tflite"].map((name) => `tflite/${name}`),
];

/** What became of the mutations of a file. */
export interface FuzzReport {
  readonly file: string;
  readonly converted: number;
  readonly refused: number;
  /** CPU time, all threads together: what the file costs, whatever else the machine does. */
  readonly slowestMs: number;
}

/**
 * Converts `count` mutations of a file.
 *
 * @throws {Error} With the seed of the mutation, if one ends with anything but a named error.
 */
export async function fuzzFile(file: string, count: number, seed: number): Promise<FuzzReport> {
  const original = await Deno.readFile(new URL(file, FIXTURES));
  const hasSiblings = file.includes("/") || file === "c_external.onnx";
  await using beside = hasSiblings ? await besideCopies(file) : undefined;
  let converted = 0, refused = 0, slowestMs = 0;
  for (let i = 0; i < count; i++) {
    const bytes = mutate(original, seededRandom(seed + i));
    const start = process.cpuUsage();
    try {
      await (beside === undefined ? convert(bytes) : beside.convert(bytes));
      converted++;
    } catch (error) {
      if (!(error instanceof CheckpointFormatError) || error.message === "") {
        throw new Error(`${file}, seed ${seed + i}: ${error}`, { cause: error });
      }
      refused++;
    }
    const { user, system } = process.cpuUsage(start);
    slowestMs = Math.max(slowestMs, (user + system) / 1000);
  }
  return { file, converted, refused, slowestMs };
}

/** Converts what is put into a file's place, beside copies of its shards. */
async function besideCopies(
  file: string,
): Promise<AsyncDisposable & { convert(bytes: Uint8Array): Promise<unknown> }> {
  const folder = await Deno.makeTempDir({ prefix: "fuzz-" }), copy = join(folder, basename(file));
  await copyFolder(fromFileUrl(new URL(".", new URL(file, FIXTURES))), folder);
  return {
    async convert(bytes) {
      await Deno.writeFile(copy, bytes);
      return await convert(copy);
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** What lies beside a checkpoint, and in folders there; not the other formats' of the outermost folder. */
async function copyFolder(from: string, to: string): Promise<void> {
  const isOutermost = from === fromFileUrl(FIXTURES);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isOutermost && !/^c_external\./.test(name)) continue;
    if (isDirectory) await Deno.mkdir(join(to, name));
    if (isDirectory) await copyFolder(join(from, name), join(to, name));
    else await Deno.copyFile(join(from, name), join(to, name));
  }
}

/**
 * A few random changes. Most hit the beginning or the end, where the formats have their headers; the
 * middle is numbers.
 */
export function mutate(original: Uint8Array, random: () => number): Uint8Array {
  let bytes = original.slice();
  const place = (): number => {
    const r = random();
    const near = Math.floor(random() ** 2 * Math.min(bytes.length, 4096));
    return r < 0.45
      ? near
      : r < 0.7
      ? bytes.length - 1 - near
      : Math.floor(random() * bytes.length);
  };
  for (let changes = 1 + Math.floor(random() * 4); changes > 0; changes--) {
    if (bytes.length < 2) break;
    const at = place();
    const length = 1 + Math.floor(random() * Math.min(64, bytes.length - at));
    switch (Math.floor(random() * 7)) {
      case 0:
      case 1:
        bytes[at] ^= 1 << Math.floor(random() * 8);
        break;
      case 2:
        bytes[at] = [0, 1, 0x7f, 0x80, 0xff][Math.floor(random() * 5)];
        break;
      case 3: // All ones where a length or an offset may be.
        bytes.fill(0xff, at, at + Math.min(8, length));
        break;
      case 4:
        bytes = bytes.slice(0, at);
        break;
      case 5: // A part again, in another place.
        bytes.copyWithin(place(), at, at + length);
        break;
      case 6: { // A part is missing.
        const shorter = new Uint8Array(bytes.length - Math.min(length, bytes.length - at));
        shorter.set(bytes.subarray(0, at));
        shorter.set(bytes.subarray(bytes.length - (shorter.length - at)), at);
        bytes = shorter;
        break;
      }
    }
  }
  return bytes;
}

/** Mulberry32: 0…1. */
export function seededRandom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The most memory that this process ever had, in MB; the library of HDF5 is in it. */
async function peakMegabytes(): Promise<number> {
  const status = await Deno.readTextFile("/proc/self/status");
  return Number(/VmHWM:\s*(\d+)/.exec(status)![1]) * 1024 / 1e6;
}

if (import.meta.main) {
  const [count = 2000, given = 0] = Deno.args.slice(0, 2).map(Number);
  const seed = given === 0 ? Math.floor(Math.random() * 2 ** 31) : given;
  const files = Deno.args.length > 2 ? Deno.args.slice(2) : FUZZED;
  const total = { converted: 0, refused: 0, slowestMs: 0 };
  console.log("file                         converted   refused   slowest CPU ms   peak MB so far");
  const show = (name: string, report: typeof total, peak: number): void =>
    console.log(
      name.padEnd(28),
      String(report.converted).padStart(9),
      String(report.refused).padStart(9),
      report.slowestMs.toFixed(0).padStart(16),
      peak.toFixed(0).padStart(16),
    );
  for (const file of files) {
    const report = await fuzzFile(file, count, seed);
    show(file, report, await peakMegabytes());
    total.converted += report.converted;
    total.refused += report.refused;
    total.slowestMs = Math.max(total.slowestMs, report.slowestMs);
  }
  show(`all, from seed ${seed}`, total, await peakMegabytes());
}
