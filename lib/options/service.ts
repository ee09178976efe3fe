/**
 * The settings of the service, and the query parameters of its requests.
 *
 * @module
 */

import {
  CALLBACK,
  CLASSIFIER_OPTIONS,
  EXPLANATION_OPTIONS,
  IMAGE_OPTIONS,
  OBJECT,
  SELECTION_OPTIONS,
  type Table,
  VIEW_OPTIONS,
} from "../options.ts";

const MINUTE = 60_000;
const integer = (fallback: number, min: number, max: number, about: string, unit?: string) =>
  ({ kind: "integer", default: fallback, min, max, about, unit }) as const;

const { backend, precision, threads, cacheDir, offline } = CLASSIFIER_OPTIONS;

/** What can be configured, in the order of the documentation. */
export const SETTINGS = {
  model: CLASSIFIER_OPTIONS.model,
  ...{ backend, precision, threads, cacheDir, offline },
  maxBodyBytes: integer(10 * 2 ** 20, 1, 2 ** 31, "Most bytes of a body"),
  maxHeaderBytes: integer(16_384, 256, 2 ** 20, "Most bytes of a request's headers"),
  // Strangers get half of what a program may read: several images are decoded at a time.
  maxPixels: { ...IMAGE_OPTIONS.maxPixels, default: 25_000_000 },
  maxImages: integer(16, 1, 1024, "Most images in one request"),
  maxQueue: integer(
    64,
    1,
    65_536,
    "Most images that are received, decoded, waiting or classified at a time",
  ),
  maxBatch: integer(16, 1, 64, "Most images that go through the network together"),
  maxQueueDelayMs: integer(
    0,
    0,
    MINUTE,
    "Wait for images that are being received or decoded, to go together; a lone one never waits",
    "ms",
  ),
  bodyTimeoutMs: integer(15_000, 1, 60 * MINUTE, "Time in which a body must arrive", "ms"),
  timeoutMs: integer(
    30_000,
    1,
    60 * MINUTE,
    "Time in which a request must be answered after that",
    "ms",
  ),
  urlInput: { kind: "boolean", default: false, about: 'Whether `{"url": …}` is fetched' },
  keys: {
    kind: "texts",
    default: [],
    isSecret: true,
    about: "Bearer keys, any of which gives access; none: open",
  },
  corsOrigins: {
    kind: "texts",
    default: [],
    about: "Origins whose pages may call, or `*`; none: only its own page",
  },
  cacheEntries: integer(0, 0, 1_000_000, "Results kept in memory, by image hash"),
  logLevel: {
    kind: "choice",
    choices: ["debug", "info", "warn", "error", "off"],
    default: "info",
    about: "Least level that is logged",
  },
  logFormat: {
    kind: "choice",
    choices: ["json", "text"],
    default: "json",
    about: "One object a line, or text for people, colored unless `NO_COLOR` is set",
  },
  drainDelayMs: integer(
    0,
    0,
    10 * MINUTE,
    "How long `/readyz` says 503 before the port closes",
    "ms",
  ),
  drainTimeoutMs: integer(30_000, 0, 60 * MINUTE, "Time for requests to end when stopping", "ms"),
} as const satisfies Table;

/** `createHandler()`. */
export const HANDLER_OPTIONS = {
  ...SETTINGS,
  classifier: {
    ...OBJECT,
    called: "a classifier",
    about: "The classifier, instead of one that is loaded",
  },
  writeLog: { ...CALLBACK, about: "Gets each line of the log" },
  remote: { ...OBJECT, about: "Replaces the resolver of names and the rule for addresses" },
} as const satisfies Table;

/** What an image costs grows with its scales: a request has fewer, and smaller ones, than a program. */
const MAX_SCALE = 1024;

/** Query parameters of `/classify`. */
export const CLASSIFY_PARAMETERS = {
  ...SELECTION_OPTIONS,
  ...VIEW_OPTIONS,
  scales: { ...VIEW_OPTIONS.scales, max: MAX_SCALE, items: 3 },
} as const satisfies Table;

/** Query parameters of `/explain`. */
export const EXPLAIN_PARAMETERS = {
  ...EXPLANATION_OPTIONS,
  scale: { ...EXPLANATION_OPTIONS.scale, max: MAX_SCALE },
} as const satisfies Table;

/** `parameters` of Hugging Face's requests. */
export const HUGGING_FACE_PARAMETERS = {
  top_k: { ...SELECTION_OPTIONS.topK, about: "Labels at most; above the number of classes, all" },
  function_to_apply: {
    kind: "choice",
    choices: ["softmax", "sigmoid", "none"],
    default: "softmax",
    about: "What makes scores of the logits",
  },
} as const satisfies Table;
