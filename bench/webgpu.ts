/**
 * The WebGPU engine and its peers, on one adapter: VGG16 at 224x224, ImageNet size, random weights.
 *
 * @module
 */

import type { Comparison, Subject } from "./measure.ts";

const here = new URL(".", import.meta.url).pathname;
const model = `${here}../.cache/bench/vgg16_float.onnx`;
const WORK = "VGG16 224x224 on WebGPU";

function ours(options: object = {}, more: Partial<Subject> = {}): Subject {
  const json = JSON.stringify(options);
  const images = String(more.images ?? 1);
  return {
    engine: "@edge/vgg16",
    backend: "webgpu",
    precision: "int8",
    threads: 1,
    command: [Deno.execPath(), "run", "-A", `${here}webgpu_subject.ts`, json, images],
    ...more,
  };
}

const float = ours({ precision: "float" }, { precision: "float" });

function peer(engine: string, ...args: string[]): Subject {
  return {
    engine,
    backend: "webgpu",
    precision: "float",
    threads: 1,
    command: [Deno.execPath(), "run", "-A", ...args],
  };
}

/** The peers take minutes on a software adapter; each subject has run once when it says that it is ready. */
const turns = { warmUp: 0, rounds: 3, runs: 1 };

/** All that concern this engine. */
export const WEBGPU_COMPARISONS: readonly Comparison[] = [
  {
    name: "webgpu-tfjs",
    work: `${WORK}, convolutions and pools, against stock tfjs in float32`,
    subjects: [ours({ features: true }), peer("tfjs-backend-webgpu", `${here}webgpu_tfjs.ts`)],
    floor: 5,
    turns,
  },
  {
    name: "webgpu-ort",
    work: `${WORK}, against onnxruntime-web in float32`,
    subjects: [
      ours(),
      peer("onnxruntime-web", "--no-lock", `${here}peers/ort_webgpu.mjs`, model),
    ],
    floor: 6,
    turns,
  },
  { name: "webgpu-float", work: `${WORK}, int8 against float`, subjects: [ours(), float] },
  {
    name: "webgpu-batch",
    work: `${WORK}, an image of a batch of 8 against one alone`,
    subjects: [ours({}, { images: 8 }), ours()],
  },
];
