/**
 * The options of the library's calls, each said once: the checks of its functions, the flags and
 * help of the command line, the query parameters and their description come from these tables. Those
 * of training and of the service are in `options/`.
 */

import type { PackagedFile } from "./io/wrapped_file.ts";
import type { EmbeddingName, LayerName } from "./model/architecture.ts";
import type { Model } from "./model/model.ts";
import {
  choice,
  choices,
  flag,
  given,
  integer,
  integers,
  number,
  type Table,
  text,
  texts,
} from "./options/option.ts";

export * from "./options/check.ts";
export * from "./options/closest.ts";
export * from "./options/option.ts";

type Callback = (...args: never[]) => unknown;

const isCallback = (value: unknown): value is Callback => typeof value === "function";
const isObject = (value: unknown): value is Record<never, unknown> =>
  typeof value === "object" && value !== null;
const isSignal = (value: unknown): value is AbortSignal => value instanceof AbortSignal;
const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;
const isAll = (value: unknown): value is number => value === Infinity;
const isIndex = isCount;
const areClassNames = (value: unknown): value is readonly (string | number)[] =>
  Array.isArray(value) && value.every((name) => typeof name === "string" || isIndex(name));
const isModelSource = (
  value: unknown,
): value is URL | Request | Uint8Array | ArrayBuffer | Blob | PackagedFile | Model =>
  isObject(value) &&
  ([URL, Uint8Array, ArrayBuffer, Blob].some((kind) => value instanceof kind) ||
    "weights" in value && isCallback(value.weights) ||
    "module" in value && isCallback(value.module) ||
    value instanceof Request); // Last: Deno loads all of its `fetch` for it.
const isLayerName = (text: string): text is LayerName =>
  /^(conv[1-5]_[1-4]|pool[1-5]|average|fc[1-8]|prob)$/.test(text);
const LAYER = {
  is: isLayerName,
  called: "one of conv1_1 … conv5_4, pool1 … pool5, average, fc1 … fc8, prob",
};

const EMBEDDING_NAME = {
  is: (text: string): text is EmbeddingName => text === "search" || isLayerName(text),
  called: `${LAYER.called}, search`,
};

/** A function that a program gives to be called. */
export const CALLBACK = { is: isCallback, called: "a function" };
/** Something whose contents are checked where it is used. */
export const OBJECT = { is: isObject, called: "an object" };

/** What a preprocessing may have. */
const PREPROCESSING_NAMES = {
  ...{ resize: true, size: true, filter: true, scale: true, mean: true, std: true } as const,
  ...{ grayscale: true, standardize: true } as const,
  whitening: { kind: true, patch: true, epsilon: true, mean: true, variance: true, filter: true },
} as const;

/** What a provenance may have. */
const PROVENANCE_NAMES = {
  ...{ source: true, sourceSha256: true, sourceVerifiedBy: true, license: true } as const,
  ...{ training: true, dataSha256: true, accuracy: true, preprocessing: true } as const,
} as const;

/** What an entry of the catalog may have. */
const ENTRY_NAMES = {
  ...{ id: true, title: true, url: true, page: true, file: true, package: true } as const,
  ...{ format: true, size: true } as const,
  ...{ sha256: true, sha256Prefix: true, md5: true, preprocessing: true, labels: true } as const,
  ...{ license: true, accuracy: true, unknown: true, unverified: true } as const,
} as const;

/** Ends early what any call does. */
export const SIGNAL_OPTION = {
  signal: given({ is: isSignal, called: "an AbortSignal" }, "Ends early what is under way"),
} satisfies Table;

/** Asks servers for any call. */
const FETCH_OPTION = {
  fetch: given(CALLBACK, "Asks servers, instead of the global `fetch`"),
} satisfies Table;

/** Tells how far any call is. */
export const PROGRESS_OPTION = {
  onProgress: given(CALLBACK, "Called as the work goes on"),
} satisfies Table;

/** `openModel()`. */
export const SOURCE_OPTIONS = {
  offline: flag({ default: false }, "Never touch the network, for a model or an image"),
  ...FETCH_OPTION,
  ...PROGRESS_OPTION,
  ...SIGNAL_OPTION,
} satisfies Table;

/** `createEngine()`. */
export const ENGINE_OPTIONS = {
  backend: choice(
    { choices: ["auto", "webgpu", "wasm"], default: "auto" },
    "Backend; auto takes WebGPU where there is a GPU",
  ),
  precision: choice(
    { choices: ["int8", "float"], default: "int8" },
    "Arithmetic of the activations",
  ),
  threads: integer(
    { min: 1, max: 64, or: "auto", default: "auto" },
    "Threads of the wasm backend; auto goes by the model's size",
  ),
  tune: choice(
    { choices: ["auto", "off"], default: "auto" },
    "Whether kernels are chosen by a timed trial",
  ),
  cacheDir: text(
    { unset: "VGG16_CACHE_DIR, or the user's folder for caches" },
    "Where downloaded models are kept",
  ),
  ...PROGRESS_OPTION,
  ...SIGNAL_OPTION,
} satisfies Table;

/** What brings a model here. */
export const RESOLVE_OPTIONS = {
  cacheDir: ENGINE_OPTIONS.cacheDir,
  baseUrl: text(
    { unset: "VGG16_BASE_URL, or the catalog's" },
    "Mirror that replaces scheme and host",
  ),
  offline: SOURCE_OPTIONS.offline,
  ...FETCH_OPTION,
  ...PROGRESS_OPTION,
  onWarning: given(CALLBACK, "Called with what is worth knowing of a model that is pulled"),
  ...SIGNAL_OPTION,
} satisfies Table;

/** `loadClassifier()`. */
export const CLASSIFIER_OPTIONS = {
  model: text({
    also: {
      is: isModelSource,
      called:
        "a URL, a request, the bytes of a model file, what a package of models exports, or an open one",
    },
    unset: "the embedded model",
  }, "Catalog id, path or URL of the model"),
  ...ENGINE_OPTIONS,
  ...RESOLVE_OPTIONS,
} satisfies Table;

const isPromise = (value: unknown): value is Promise<never> => value instanceof Promise;

/** `classifierFrom()`. */
export const CLASSIFIER_PARTS = {
  labels: texts({ isNeeded: true }, "Labels of the classes"),
  scores: given(CALLBACK, "Gives scores for images"),
  model: text({ unset: "custom" }, "What it is called"),
  multiLabel: flag({}, "Whether each label has a score of its own"),
  sureScore: number({ min: 0, max: 1 }, "Score from which on a first prediction is sure"),
  close: given(CALLBACK, "Frees what the scores need"),
  lost: given({ is: isPromise, called: "a promise" }, "Settles once there are no more scores"),
} satisfies Table;

/** What there is a decoder for. */
export const IMAGE_FORMATS = ["jpeg", "png", "gif", "webp", "avif", "tiff", "bmp"] as const;

/** Where an image may be that a text or a URL names. */
export const IMAGE_SOURCES = ["file", "http", "data"] as const;
/** Longest side of an image in pixels, whatever `maxPixels` says. */
export const MAX_SIDE = 32_768;

/** What reads and decodes an image. */
export const IMAGE_OPTIONS = {
  // The largest phone cameras.
  maxPixels: integer(
    { min: 1, max: 2 ** 30, default: 50_000_000 },
    "Most pixels of an image; a service takes 25000000",
  ),
  maxBytes: integer(
    { min: 1, default: 2 ** 26 },
    "Most bytes of an image file; a service takes 10485760, as its maxBodyBytes",
  ),
  formats: choices(
    { choices: IMAGE_FORMATS, default: IMAGE_FORMATS },
    "Formats that are decoded",
  ),
  sources: choices(
    { choices: IMAGE_SOURCES, default: IMAGE_SOURCES },
    "What an image that is named by a text or a URL may be",
  ),
  background: flag(
    { also: { is: isCount, called: "a number of pixels" }, default: false },
    "Whether images, or those of so many pixels, are decoded on another thread",
  ),
  offline: RESOLVE_OPTIONS.offline,
  ...FETCH_OPTION,
  ...SIGNAL_OPTION,
} satisfies Table;

/** `readImage()`. */
export const READ_IMAGE_OPTIONS = {
  ...IMAGE_OPTIONS,
  shorterSide: integer({ min: 1, unset: "all" }, "Pixels of the shorter side that are needed"),
  reduceFromPixels: integer(
    { min: 0, default: 4_000_000 },
    "Pixels from which on a JPEG or PNG may be decoded at a reduced size",
  ),
} satisfies Table;

/** `resizeImage()`. */
export const RESIZE_OPTIONS = {
  width: integer({ min: 1, max: MAX_SIDE }, "Columns; in the image's proportions without it"),
  height: integer({ min: 1, max: MAX_SIDE }, "Rows; in the image's proportions without it"),
  filter: choice({ choices: ["bilinear", "bicubic"], default: "bicubic" }, "Kernel"),
} satisfies Table;

/** `fetchImage()`. */
export const FETCH_IMAGE_OPTIONS = {
  maxBytes: IMAGE_OPTIONS.maxBytes,
  isAllowed: given(CALLBACK, "Which addresses may be connected to"),
  resolve: given(CALLBACK, "Resolves a name"),
  ports: integers({ min: 1, max: 65_535, default: [80, 443] }, "Ports that may be connected to"),
  answerMs: integer(
    { min: 1, default: 5000, unit: "ms" },
    "Time in which a name must be resolved, and a server answer",
  ),
  ...SIGNAL_OPTION,
} satisfies Table;

/** How an image is looked at. */
export const VIEW_OPTIONS = {
  crops: choice(
    { choices: ["center", "ten", "dense", "multi", "dense+multi"], default: "center" },
    "Parts of an image that are looked at",
  ),
  scales: integers({
    min: 1,
    max: 4096,
    unset: "the model's own",
    placeholder: "Q,...",
    unit: "pixels",
  }, "Shorter sides to which an image is resized in turn, their results averaged"),
  flip: flag({ unset: "for ten and multi" }, "Average with the mirrored image"),
} satisfies Table;

/** `Classifier.prepare()` and `scores()`. */
export const PREPARE_OPTIONS = { ...VIEW_OPTIONS, ...IMAGE_OPTIONS } satisfies Table;

const CLASS_NAMES = { also: { is: areClassNames, called: "indices" } };

/** Which predictions are returned. */
export const SELECTION_OPTIONS = {
  topK: integer(
    { min: 1, default: 5, also: { is: isAll, called: "Infinity for all" } },
    "Labels of an image at most, best first",
  ),
  scoreThreshold: number(
    { min: 0, max: 1, default: 0 },
    "Only labels with a score of at least this",
  ),
  allow: texts(CLASS_NAMES, "Only these classes: labels, ids, synonyms or indices"),
  deny: texts(CLASS_NAMES, "All but these classes"),
} satisfies Table;

/** `classify()`. */
export const CLASSIFY_OPTIONS = { ...SELECTION_OPTIONS, ...PREPARE_OPTIONS } satisfies Table;

/** Temperatures of a model: beyond these soft-max is a maximum, or says nothing at all. */
export const TEMPERATURES = { min: 0.001, max: 1000 } as const;

/** What calls for many images have besides: `classify()`, `scores()` and `embed()` of a list. */
export const MANY_OPTIONS = {
  onError: choice(
    { choices: ["throw", "return"], default: "throw" },
    "Whether an image that fails ends the call, or its error stands in the place of its result",
  ),
} satisfies Table;

/** What of a layer an embedding is. */
export const EMBEDDING_OPTIONS = {
  layer: text(
    { ...EMBEDDING_NAME, default: "search" },
    "What to read: search, which similar images are found by, or a layer, as the model has them: " +
      "conv1_1 … conv5_3, pool1 … pool5, average, fc1 … fc8 or prob",
  ),
  pooling: choice(
    { choices: ["none", "avg", "max"], default: "none" },
    "What is made of all positions",
  ),
  normalize: flag({ default: false }, "Scale to a length of 1"),
} satisfies Table;

/** `Classifier.embed()`. */
export const EMBED_OPTIONS = { ...EMBEDDING_OPTIONS, ...IMAGE_OPTIONS } satisfies Table;

/** `classify()`, `scores()` and `embed()`, of one image or many. */
export const CLASSIFY_CALL = { ...CLASSIFY_OPTIONS, ...MANY_OPTIONS } satisfies Table;
export const SCORES_CALL = { ...PREPARE_OPTIONS, ...MANY_OPTIONS } satisfies Table;
export const EMBED_CALL = { ...EMBED_OPTIONS, ...MANY_OPTIONS } satisfies Table;

/** `Classifier.stream()`. */
export const STREAM_OPTIONS = { ...CLASSIFY_OPTIONS, ...PROGRESS_OPTION } satisfies Table;

/** `Classifier.embedStream()`. */
export const EMBED_STREAM_OPTIONS = { ...EMBED_OPTIONS, ...PROGRESS_OPTION } satisfies Table;

/** `Classifier.profile()`. */
export const PROFILE_OPTIONS = {
  batch: integer({ min: 1, max: 64, default: 1 }, "Images at once"),
  runs: integer({ min: 1, max: 100, default: 5 }, "Runs, of which each layer's median counts"),
  ...SIGNAL_OPTION,
} satisfies Table;

/** `Classifier.distance()`. */
export const DISTANCE_OPTIONS = {
  layers: texts(
    { ...LAYER, unset: "the last convolution of each block" },
    "Layers whose differences are added up",
  ),
  ...IMAGE_OPTIONS,
} satisfies Table;

/** What an explanation is of, and how it is made. */
export const EXPLANATION_OPTIONS = {
  label: text(
    { unset: "the predicted one", also: { is: isIndex, called: "an index" } },
    "Class to explain: its label, id, synonym or index",
  ),
  method: choice(
    { choices: ["grad-cam", "score-map"], default: "grad-cam" },
    "Where the last convolution saw the class, or its probability at each place",
  ),
  scale: integer({
    min: 1,
    max: VIEW_OPTIONS.scales.max,
    placeholder: "Q",
    unset: "the view that classify takes",
    unit: "pixels",
  }, "Shorter side to which the whole image is resized; more gives a finer map"),
} satisfies Table;

/** `Classifier.explain()`. */
export const EXPLAIN_OPTIONS = { ...EXPLANATION_OPTIONS, ...IMAGE_OPTIONS } satisfies Table;

/** `evaluate()`. */
export const EVALUATE_OPTIONS = {
  known: given({ ...OBJECT, called: "a list of records" }, "What an earlier run has found"),
  onRecords: given(CALLBACK, "Called with each new batch of records"),
  ...PROGRESS_OPTION,
  onError: given(CALLBACK, "Called when an image cannot be read"),
  ...PREPARE_OPTIONS,
} satisfies Table;

/** `convert()`. */
export const CONVERT_OPTIONS = {
  out: text({ placeholder: "FILE" }, "Model file to write"),
  id: text(
    { placeholder: "NAME", unset: "the source's name without its ending" },
    "Name of the model",
  ),
  labels: texts({ unset: "class 0, class 1, …" }, "Labels in the order of the outputs"),
  ids: texts({ unset: "ImageNet's, for its labels" }, "WordNet ids of the labels"),
  preprocessing: choice({
    choices: ["torch", "caffe", "tf", "unit", "byte"],
    also: {
      is: isObject,
      called: "a preprocessing",
      names: { ...PREPROCESSING_NAMES, colors: true },
    },
    unset: "what the file says, or what is usual for the format",
  }, "What images the weights are for"),
  inputSize: integer(
    { min: 32, max: 8192, unit: "pixels" },
    "Height and width of the input, where the file does not tell",
  ),
  afterPool: choice(
    { choices: ["flatten", "average"], unset: "what the tensors tell" },
    "What the dense layers see of the last pool's map, where the file does not tell",
  ),
  norm: choice(
    { choices: ["before-relu"], unset: "what the tensors tell" },
    "Where batch normalization stands, where the file does not tell",
  ),
  activation: choice(
    { choices: ["relu"], unset: "what the tensors tell" },
    "What follows each dense layer but the last, where the file does not tell",
  ),
  head: choice(
    { choices: ["softmax", "sigmoid"], unset: "what the file says, or softmax" },
    "What makes scores of the outputs, where the file does not tell",
  ),
  temperature: number(
    { ...TEMPERATURES, default: 1 },
    "What the logits are divided by before they become scores",
  ),
  sureScore: CLASSIFIER_PARTS.sureScore,
  state: text(
    { placeholder: "NAME" },
    "Which of several networks in the file: the name of its state dictionary",
  ),
  provenance: given({ ...OBJECT, names: PROVENANCE_NAMES }, "Where the weights come from"),
  ...SOURCE_OPTIONS,
} satisfies Table;

/** `pullModel()`. */
export const PULL_OPTIONS = {
  force: flag({ default: false }, "Download again what is in the cache"),
  cacheDir: RESOLVE_OPTIONS.cacheDir,
  offline: RESOLVE_OPTIONS.offline,
  baseUrl: RESOLVE_OPTIONS.baseUrl,
  ...FETCH_OPTION,
  unverified: flag({ default: false }, "Take also a checkpoint of which no hash is known"),
  entry: given({ ...OBJECT, names: ENTRY_NAMES }, "Entry to pull instead of the catalog's"),
  ...PROGRESS_OPTION,
  onWarning: RESOLVE_OPTIONS.onWarning,
  ...SIGNAL_OPTION,
} satisfies Table;
