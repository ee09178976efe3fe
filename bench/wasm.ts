/**
 * The WebAssembly engine and its peers: VGG16 at 224x224, ImageNet size, random weights.
 *
 * @module
 */

import type { Comparison, Subject } from "./measure.ts";

const here = new URL(".", import.meta.url).pathname;
const models = `${here}../.cache/bench`;
const WORK = "VGG16 224x224";
/**
 * The newest runtime whose V8 can be told to fuse pairs of 128-bit operations. It does not know the
 * names of `deno.json`, and so runs a bundle: `sh -c NODE deno MODULE BUNDLE` and Node's arguments.
 */
const NODE = '"$0" bundle -q -o "$2" "$1" && shift 2 && exec npx -y node@25.9.0 "$@"';

interface Options {
  readonly threads?: number;
  readonly precision?: "int8" | "float";
  readonly variant?: "relaxed" | "plain";
  readonly algorithm?: "direct" | "winograd";
  readonly features?: boolean;
}

function ours(options: Options = {}, more: Partial<Subject> = {}, flags?: string): Subject {
  const { threads = 1, precision = "int8" } = options;
  const json = JSON.stringify({ ...options, threads });
  const images = String(more.images ?? 1);
  const runtime = flags ? [`--v8-flags=${flags}`] : [];
  return {
    engine: "@edge/vgg16",
    backend: "wasm",
    precision,
    threads,
    command: [Deno.execPath(), "run", "-A", ...runtime, `${here}wasm_subject.ts`, json, images],
    ...more,
  };
}

function inNode(options: Options, ...flags: string[]): Subject {
  const json = JSON.stringify({ threads: 1, ...options });
  const engine = ["@edge/vgg16, Node 25", options.algorithm, ...flags].filter(Boolean).join(" ");
  const bundle = `${models}/wasm_subject.js`;
  const command = ["sh", "-c", NODE, Deno.execPath(), `${here}wasm_subject.ts`, bundle];
  return ours(options, { engine, command: [...command, ...flags, bundle, json, "1"] });
}

function liteRt(threads: number, flags?: string): Subject {
  const runtime = flags ? [`--v8-flags=${flags}`] : [];
  const model = `${models}/vgg16_int8.tflite`;
  const args = ["run", "-A", "--no-lock", ...runtime, `${here}peers/litert.mjs`, model];
  return {
    engine: "LiteRT.js",
    backend: "wasm",
    precision: "int8",
    threads,
    command: [Deno.execPath(), ...args, String(threads)],
  };
}

function ort(kind: "web" | "node", precision: "int8" | "float", threads: number): Subject {
  const runtime = kind === "web" ? [Deno.execPath(), "run", "-A", "--no-lock"] : ["node"];
  const model = `${models}/vgg16_${precision}.onnx`;
  return {
    engine: `onnxruntime-${kind}`,
    backend: kind === "web" ? "wasm" : "native",
    precision,
    threads,
    command: [...runtime, `${here}peers/ort.mjs`, kind, model, String(threads)],
  };
}

const tfjs: Subject = {
  engine: "tfjs-backend-wasm",
  backend: "wasm",
  precision: "float",
  threads: 1,
  command: [Deno.execPath(), "run", "-A", "--no-lock", `${here}peers/tfjs_wasm.mjs`],
};

const both = [1, 2];
const NO_VNNI = "--no-enable-avx-vnni";

/** All that concern this engine. */
export const WASM_COMPARISONS: readonly Comparison[] = [
  ...both.map((threads) => ({
    name: `wasm-litert-${threads}`,
    work: `${WORK}, int8 against LiteRT.js`,
    subjects: [ours({ threads }), liteRt(threads)],
    floor: 1.2,
  })),
  {
    name: "wasm-litert-no-vnni",
    work: `${WORK}, int8 against LiteRT.js, without VNNI`,
    subjects: [ours({}, {}, NO_VNNI), liteRt(1, NO_VNNI)],
    floor: 2.5,
  },
  ...both.map((threads) => ({
    name: `wasm-ort-web-float-${threads}`,
    work: `${WORK}, int8 against onnxruntime-web in float32`,
    subjects: [ours({ threads }), ort("web", "float", threads)],
    floor: 5,
  })),
  ...both.map((threads) => ({
    name: `wasm-ort-web-int8-${threads}`,
    work: `${WORK}, int8 against onnxruntime-web in int8`,
    subjects: [ours({ threads }), ort("web", "int8", threads)],
    floor: 2.5,
  })),
  {
    name: "wasm-tfjs",
    work: `${WORK}, convolutions and pools, against tfjs' WebAssembly backend`,
    subjects: [ours({ features: true }), tfjs],
    floor: 4,
  },
  ...both.map((threads) => ({
    name: `wasm-ort-node-float-${threads}`,
    work: `${WORK}, int8 against native float32`,
    subjects: [ours({ threads }), ort("node", "float", threads)],
    floor: 1,
  })),
  ...both.map((threads) => ({
    name: `wasm-ort-node-int8-${threads}`,
    work: `${WORK}, int8 against native int8`,
    subjects: [ours({ threads }), ort("node", "int8", threads)],
    floor: 1 / 3.5,
  })),
  {
    name: "wasm-threads",
    work: `${WORK}, two threads against one`,
    subjects: [ours({ threads: 2 }), ours({ threads: 1 })],
    floor: 1.8,
  },
  ...both.map((threads) => ({
    name: `wasm-batch-${threads}`,
    work: `${WORK}, an image of a batch of 8 against one alone`,
    subjects: [ours({ threads }, { images: 8 }), ours({ threads })],
  })),
  {
    name: "wasm-float",
    work: `${WORK}, float activations against onnxruntime-web in float32`,
    subjects: [ours({ precision: "float" }), ort("web", "float", 1)],
  },
  {
    name: "wasm-variants",
    work: `${WORK}, plain SIMD and other algorithms against what is chosen`,
    subjects: [
      ours(),
      ours({ variant: "plain" }, { engine: "@edge/vgg16, plain SIMD" }),
      ours({ algorithm: "direct" }, { engine: "@edge/vgg16, direct kernels" }),
      ours({ algorithm: "direct", variant: "plain" }, {
        engine: "@edge/vgg16, direct, plain SIMD",
      }),
    ],
  },
  {
    name: "wasm-revectorize",
    work: `${WORK}, where V8 may fuse pairs of 128-bit operations`,
    subjects: [
      inNode({}, "--experimental-wasm-revectorize"),
      inNode({ algorithm: "direct" }, "--experimental-wasm-revectorize"),
      inNode({}),
      ours(),
    ],
  },
];
