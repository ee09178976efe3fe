/**
 * The options of the library's calls, each said once: the checks of its functions, the flags and
 * help of the command line, the query parameters and their description come from these tables. Those
 * of training and of the service are in `options/`.
 *
 * @module
 */

import type { Table } from "./options/option.ts";

export * from "./options/option.ts";

type Callback = (...args: never[]) => unknown;

const isCallback = (value: unknown): value is Callback => typeof value === "function";
const isObject = (value: unknown): value is Record<never, unknown> =>
  typeof value === "object" && value !== null;
const isSignal = (value: unknown): value is AbortSignal => value instanceof AbortSignal;
const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;
const isUrlOrBytes = (value: unknown): value is URL | Uint8Array =>
  value instanceof URL || value instanceof Uint8Array;

/** A function that a program gives to be called. */
export const CALLBACK = { kind: "program", is: isCallback, called: "a function" } as const;
/** Something whose contents are checked where it is used. */
export const OBJECT = { kind: "program", is: isObject, called: "an object" } as const;

/** Ends early what any call does. */
export const SIGNAL_OPTION = {
  signal: {
    kind: "program",
    is: isSignal,
    called: "an AbortSignal",
    about: "Ends early what is under way",
  },
} as const satisfies Table;

/** `createEngine()`. */
export const ENGINE_OPTIONS = {
  backend: {
    kind: "choice",
    choices: ["auto", "webgpu", "wasm"],
    default: "auto",
    about: "Backend; auto takes WebGPU where there is a GPU",
  },
  precision: {
    kind: "choice",
    choices: ["int8", "float"],
    default: "int8",
    about: "Arithmetic of the activations",
  },
  threads: {
    kind: "integer",
    min: 1,
    max: 64,
    or: "auto",
    default: "auto",
    about: "Threads of the wasm backend; auto goes by the model's size",
  },
  tune: {
    kind: "choice",
    choices: ["auto", "off"],
    default: "auto",
    about: "Whether kernels are chosen by a timed trial",
  },
  cacheDir: {
    kind: "text",
    unset: "VGG_CACHE_DIR, or the user's folder for caches",
    about: "Where downloaded models are kept",
  },
  ...SIGNAL_OPTION,
} as const satisfies Table;

/** What brings a model here. */
export const RESOLVE_OPTIONS = {
  cacheDir: ENGINE_OPTIONS.cacheDir,
  offline: { kind: "boolean", default: false, about: "Never touch the network for a model" },
  onProgress: { ...CALLBACK, about: "Called while a model is downloaded" },
  ...SIGNAL_OPTION,
} as const satisfies Table;

/** `loadClassifier()`. */
export const CLASSIFIER_OPTIONS = {
  model: {
    kind: "text",
    also: { is: isUrlOrBytes, called: "a URL or the bytes of a model file" },
    unset: "the embedded model",
    about: "Catalog id, path or URL of the model",
  },
  ...ENGINE_OPTIONS,
  ...RESOLVE_OPTIONS,
} as const satisfies Table;

/** What reads and decodes an image. */
export const IMAGE_OPTIONS = {
  // The largest phone cameras.
  maxPixels: {
    kind: "integer",
    min: 1,
    max: 2 ** 30,
    default: 50_000_000,
    about: "Most pixels of an image",
  },
  maxBytes: { kind: "integer", min: 1, default: 2 ** 26, about: "Most bytes of an image file" },
  shorterSide: {
    kind: "integer",
    min: 1,
    unset: "all",
    about: "Pixels of the shorter side that are needed",
  },
  reduceFromPixels: {
    kind: "integer",
    min: 0,
    default: 4_000_000,
    about: "Pixels from which on a JPEG may be decoded at a reduced size",
  },
  background: {
    kind: "boolean",
    also: { is: isCount, called: "a number of pixels" },
    default: false,
    about: "Whether images, or those of so many pixels, are decoded on another thread",
  },
  ...SIGNAL_OPTION,
} as const satisfies Table;

/** How an image is looked at. */
export const VIEW_OPTIONS = {
  crops: {
    kind: "choice",
    choices: ["center", "ten", "dense", "multi", "dense+multi"],
    default: "center",
    about: "Parts of an image that are looked at",
  },
  scales: {
    kind: "integers",
    min: 1,
    max: 4096,
    unset: "the model's own",
    placeholder: "Q,...",
    unit: "pixels",
    about: "Shorter sides to which an image is resized in turn, their results averaged",
  },
  flip: {
    kind: "boolean",
    unset: "for ten and multi",
    about: "Average with the mirrored image",
  },
} as const satisfies Table;

/** Which predictions are returned. */
export const SELECTION_OPTIONS = {
  topK: { kind: "integer", min: 1, default: 5, about: "Labels of an image at most, best first" },
  scoreThreshold: {
    kind: "number",
    min: 0,
    max: 1,
    default: 0,
    about: "Only labels with a score of at least this",
  },
  allow: { kind: "texts", about: "Only these labels" },
  deny: { kind: "texts", about: "All but these labels" },
} as const satisfies Table;

/** `classify()`. */
export const CLASSIFY_OPTIONS = {
  ...SELECTION_OPTIONS,
  ...VIEW_OPTIONS,
  ...IMAGE_OPTIONS,
} as const satisfies Table;

/** What of a layer an embedding is. */
export const EMBEDDING_OPTIONS = {
  layer: {
    kind: "text",
    unset: "the one before the classifying layer",
    about: "Layer to read: conv1_1 … conv5_3, pool1 … pool5, fc6, fc7, fc8 or prob",
  },
  pooling: {
    kind: "choice",
    choices: ["none", "avg", "max"],
    default: "none",
    about: "What is made of all positions",
  },
  normalize: { kind: "boolean", default: false, about: "Scale to a length of 1" },
} as const satisfies Table;

/** `Classifier.distance()`. */
export const DISTANCE_OPTIONS = {
  layers: {
    kind: "texts",
    unset: "the last convolution of each block",
    about: "Layers whose differences are added up",
  },
  ...IMAGE_OPTIONS,
} as const satisfies Table;

/** What an explanation is of, and how it is made. */
export const EXPLANATION_OPTIONS = {
  label: { kind: "text", unset: "the predicted one", about: "Class to explain" },
  method: {
    kind: "choice",
    choices: ["grad-cam", "score-map"],
    default: "grad-cam",
    about: "Where the last convolution saw the class, or its probability at each place",
  },
  scale: {
    kind: "integer",
    min: 1,
    max: VIEW_OPTIONS.scales.max,
    placeholder: "Q",
    unset: "the view that classify takes",
    unit: "pixels",
    about: "Shorter side to which the whole image is resized; more gives a finer map",
  },
} as const satisfies Table;

/** `evaluate()`. */
export const EVALUATE_OPTIONS = {
  known: { ...OBJECT, called: "a list of records", about: "What an earlier run has found" },
  onRecords: { ...CALLBACK, about: "Called with each new batch of records" },
  onProgress: { ...CALLBACK, about: "Called after each batch" },
  onError: { ...CALLBACK, about: "Called when an image cannot be read" },
  ...VIEW_OPTIONS,
  ...IMAGE_OPTIONS,
} as const satisfies Table;

/** `convert()`. */
export const CONVERT_OPTIONS = {
  out: { kind: "text", placeholder: "FILE", about: "Model file to write" },
  id: {
    kind: "text",
    placeholder: "NAME",
    unset: "the source's name without its ending",
    about: "Name of the model",
  },
  labels: {
    kind: "texts",
    unset: "class 0, class 1, …",
    about: "Labels in the order of the outputs",
  },
  preprocessing: {
    kind: "choice",
    choices: ["torch", "caffe"],
    also: { is: isObject, called: "a preprocessing" },
    unset: "what is usual for the format",
    about: "What images the weights are for",
  },
  inputSize: {
    kind: "integer",
    min: 32,
    max: 8192,
    unit: "pixels",
    about: "Height and width of the input, where the dense layers do not tell",
  },
  provenance: { ...OBJECT, about: "Where the weights come from" },
  onProgress: { ...CALLBACK, about: "Called as bytes arrive" },
  ...SIGNAL_OPTION,
} as const satisfies Table;

/** `pullModel()`. */
export const PULL_OPTIONS = {
  force: { kind: "boolean", default: false, about: "Download again what is in the cache" },
  cacheDir: RESOLVE_OPTIONS.cacheDir,
  baseUrl: {
    kind: "text",
    unset: "VGG_MODEL_BASE_URL, or the catalog's",
    about: "Mirror that replaces scheme and host",
  },
  entry: { ...OBJECT, about: "Entry to pull instead of the catalog's" },
  onProgress: RESOLVE_OPTIONS.onProgress,
  ...SIGNAL_OPTION,
} as const satisfies Table;
