/** The settings of the service, and the query parameters of its requests. */

import {
  CALLBACK,
  choice,
  CLASSIFIER_OPTIONS,
  EXPLANATION_OPTIONS,
  flag,
  given,
  IMAGE_OPTIONS,
  integer,
  integers,
  OBJECT,
  SELECTION_OPTIONS,
  type Table,
  text,
  texts,
  VIEW_OPTIONS,
} from "../options.ts";
import { isOrigin, parseHost } from "./host.ts";

const MINUTE = 60_000;
const { backend, precision, threads, cacheDir, baseUrl, offline } = CLASSIFIER_OPTIONS;
/** What a header can carry, and a list with commas. */
const KEYS = "keys of visible ASCII characters without commas";
const isKey = (text: string): boolean => /^[!-~]+$/.test(text) && !text.includes(",");
const isBasePath = (text: string): boolean => text === "/" || /^(\/[\w~-][\w.~-]*)+$/.test(text);
const isHost = (text: string): boolean => parseHost(text) !== undefined;

/** What can be configured, in the order of the documentation. */
export const SETTINGS = {
  model: CLASSIFIER_OPTIONS.model,
  ...{ backend, precision, threads },
  cacheDir: { ...cacheDir, unset: "the user's folder for caches" },
  baseUrl: { ...baseUrl, unset: "the catalog's" },
  offline,
  maxBodyBytes: integer(
    { min: 1, max: 2 ** 31, default: 10 * 2 ** 20 },
    "Most bytes of a body, and of an image at a URL; a program's own calls take 67108864 of a file",
  ),
  maxArrivingBytes: integer(
    { min: 1, max: 2 ** 36, default: 128 * 2 ** 20 },
    "Most bytes of all bodies that are arriving; above it the slowest get 429",
  ),
  maxHeaderBytes: integer(
    { min: 256, max: 2 ** 20, default: 16_384 },
    "Most bytes of a request's headers",
  ),
  // Strangers get half of what a program may read: several images are decoded at a time.
  maxPixels: {
    ...IMAGE_OPTIONS.maxPixels,
    default: 25_000_000,
    about: "Most pixels of an image; a program's own calls take 50000000",
  },
  formats: IMAGE_OPTIONS.formats,
  maxImages: integer({ min: 1, max: 1024, default: 16 }, "Most images in one request"),
  maxViewPixels: integer(
    { min: 1, max: 2 ** 40, default: 2 ** 19 },
    "Most pixels that the network looks at for a request; each image at its usual size is always taken",
  ),
  maxDecodePixels: integer(
    { min: 1, max: 2 ** 40, default: 25_000_000 },
    "Most pixels of large images that are decoded at a time; one goes always",
  ),
  maxQueue: integer(
    { min: 1, max: 65_536, default: 64 },
    "Most images that are decoded, waiting or classified at a time",
  ),
  maxBatch: integer(
    { min: 1, max: 64, default: 16 },
    "Most images that go through the network together",
  ),
  maxQueueDelayMs: integer(
    { min: 0, max: MINUTE, default: 0, unit: "ms" },
    "Wait for images that are being decoded, to go together; a lone one never waits",
  ),
  bodyTimeoutMs: integer(
    { min: 1, max: 60 * MINUTE, default: 15_000, unit: "ms" },
    "Time in which a body must arrive",
  ),
  timeoutMs: integer(
    { min: 1, max: 60 * MINUTE, default: 30_000, unit: "ms" },
    "Time in which a request must be answered after that",
  ),
  urlInput: flag({ default: false }, 'Whether `{"url": …}` is fetched'),
  maxUrlBytes: integer(
    { min: 1, max: 2 ** 31, default: 10 * 2 ** 20 },
    "Most bytes that the URLs of a request bring, together",
  ),
  urlPorts: integers({ min: 1, max: 65_535, default: [80, 443] }, "Ports that URLs may have"),
  keys: texts(
    { isNeeded: true, is: isKey, called: KEYS, isSecret: true },
    "Bearer keys, any of which gives access; without the setting everyone has it",
  ),
  hosts: texts(
    { default: [], is: isHost, called: "hosts such as app.example or app.example:8443" },
    "Names by which it is called; none: any, but on loopback without keys only loopback's",
  ),
  basePath: text(
    { default: "/", is: isBasePath, called: "a path such as /api/vision" },
    "Path below which it is mounted, such as `/api/vision`",
  ),
  corsOrigins: texts(
    { default: [], is: isOrigin, called: "origins such as https://app.example, or *" },
    "Origins whose pages may call, or `*`; none: only its own page",
  ),
  cacheEntries: integer(
    { min: 0, max: 1_000_000, default: 0 },
    "Results kept in memory, by image hash",
  ),
  cacheBytes: integer(
    { min: 0, max: 2 ** 36, default: 64 * 2 ** 20 },
    "Most bytes of the results that are kept",
  ),
  logLevel: choice(
    { choices: ["debug", "info", "warn", "error", "off"], default: "info" },
    "Least level that is logged",
  ),
  logFormat: choice(
    { choices: ["json", "text"], default: "json" },
    "One object a line, or text for people, colored unless `NO_COLOR` is set",
  ),
  drainDelayMs: integer(
    { min: 0, max: 10 * MINUTE, default: 0, unit: "ms" },
    "How long `/readyz` says 503 before the port closes",
  ),
  drainTimeoutMs: integer(
    { min: 0, max: 60 * MINUTE, default: 30_000, unit: "ms" },
    "Time for requests to end when stopping",
  ),
} satisfies Table;

/** Where `serve.ts` listens by itself. */
export const LISTEN_OPTIONS = {
  port: integer({ min: 0, max: 65_535, default: 8000 }, "Port to listen at; 0 for any"),
  host: text({ default: "127.0.0.1" }, "Address to listen at"),
} satisfies Table;

const givesClassifier = (value: unknown): boolean =>
  value instanceof Promise || CALLBACK.is(value) || OBJECT.is(value) && "scores" in value;

/** `createService()` and `createHandler()`. */
export const SERVICE_OPTIONS = {
  ...SETTINGS,
  classifier: given(
    { is: givesClassifier, called: "a classifier, a promise of one or a function that gives one" },
    "The classifier, instead of one that is loaded",
  ),
  writeLog: given(CALLBACK, "Gets each line of the log"),
  remote: given(
    { ...OBJECT, names: { resolve: true, isAllowed: true } },
    "Replaces the resolver of names and the rule for addresses",
  ),
} satisfies Table;

/** What an image costs grows with its scales: a request has fewer, and smaller ones, than a program. */
const MAX_SCALE = 1024;

/** Query parameters of `/classify`. */
export const CLASSIFY_PARAMETERS = {
  ...SELECTION_OPTIONS,
  ...VIEW_OPTIONS,
  scales: { ...VIEW_OPTIONS.scales, max: MAX_SCALE, items: 3 },
} satisfies Table;

/** Query parameters of `/explain`. */
export const EXPLAIN_PARAMETERS = {
  ...EXPLANATION_OPTIONS,
  scale: { ...EXPLANATION_OPTIONS.scale, max: MAX_SCALE },
} satisfies Table;

/** `parameters` of Hugging Face's requests. */
export const HUGGING_FACE_PARAMETERS = {
  top_k: { ...SELECTION_OPTIONS.topK, about: "Labels at most; above the number of classes, all" },
  function_to_apply: choice(
    { choices: ["softmax", "sigmoid", "none"], unset: "the model's own" },
    "What makes scores of the logits",
  ),
} satisfies Table;
