/** The API's description, OpenAPI 3.1. */

import { EMBEDDING_OPTIONS, type Option, type Table } from "../../options.ts";
import {
  CLASSIFY_PARAMETERS,
  EXPLAIN_PARAMETERS,
  HUGGING_FACE_PARAMETERS,
} from "../../options/service.ts";
import { VERSION } from "../../version.ts";
import { PROBLEMS } from "./problems.ts";
import type { Call } from "./call.ts";
import { taggedJson } from "./respond.ts";

type Json = Readonly<Record<string, unknown>>;

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const object = (properties: Json, required: readonly string[] = Object.keys(properties)): Json => ({
  type: "object",
  properties,
  required,
});
const list = (items: Json): Json => ({ type: "array", items });
const text: Json = { type: "string" }, number: Json = { type: "number" };
const integer: Json = { type: "integer" };

const PREDICTION = object({
  label: text,
  score: {
    ...number,
    description:
      "Probability, 0…1. Those of all classes add up to 1, unless each label has its own",
  },
  index: { ...integer, description: "Index of the class in the model's outputs" },
  id: { ...text, description: "The class's WordNet id, where the model has one" },
  sure: {
    type: "boolean",
    description:
      "Whether to rely on it, where the model can tell: of the best of all classes alone, if its " +
      'score reaches the model\'s, and never of "none of these"',
  },
}, ["label", "score", "index"]);
const TENSOR = object({
  name: text,
  shape: list(integer),
  datatype: { ...text, description: "BYTES, UINT8 or FP32; INT32 in answers" },
  data: { description: "Row by row, flat or nested; BYTES as base64", type: "array" },
}, ["name", "shape", "datatype"]);

const PARAMETERS: Json = Object.fromEntries(
  Object.entries(HUGGING_FACE_PARAMETERS).map(([name, option]) => [
    name,
    { ...valuesOf(option), description: describe(option) },
  ]),
);

const SCHEMAS: Json = {
  Prediction: PREDICTION,
  Predictions: list(ref("Prediction")),
  PredictionsOfFiles: list({
    oneOf: [
      object({ file: text, predictions: ref("Predictions") }),
      object({ file: text, error: object({ status: integer, code: text, detail: text }) }),
    ],
  }),
  LabelsAndScores: list(object({ label: text, score: number })),
  Embedding: object({ layer: text, shape: list(integer), data: list(number) }),
  EmbeddingsOfFiles: list(object({ file: text }, ["file"])),
  Explanation: object({
    label: text,
    index: integer,
    id: { ...text, description: "The class's WordNet id, where the model has one" },
    score: number,
    method: valuesOf(EXPLAIN_PARAMETERS.method),
    map: { ...list(number), description: "[height, width]" },
    height: integer,
    width: integer,
    grid: object({ offset: list(number), step: list(number) }),
  }, ["label", "index", "score", "method", "map", "height", "width", "grid"]),
  JsonImages: object({
    inputs: { description: "One or more image files as base64", oneOf: [text, list(text)] },
    url: { description: "Addresses, where the service fetches them", oneOf: [text, list(text)] },
  }, []),
  HuggingFaceRequest: object({
    inputs: { ...text, description: "An image file as base64" },
    parameters: object(PARAMETERS, []),
  }, ["inputs"]),
  InferRequest: object({ id: text, parameters: { type: "object" }, inputs: list(TENSOR) }, [
    "inputs",
  ]),
  InferResponse: object(
    { id: text, model_name: text, model_version: text, outputs: list(TENSOR) },
    ["model_name", "outputs"],
  ),
  Problem: object({
    type: text,
    title: text,
    status: integer,
    detail: text,
    code: { enum: Object.keys(PROBLEMS) },
    retryable: { type: "boolean", description: "Whether the same request may succeed later" },
    error: { ...text, description: "The detail again, for clients of other protocols" },
  }),
};

const BINARY: Json = { schema: { description: "An image file" } };
const IMAGES: Json = {
  "image/*": BINARY,
  "application/octet-stream": BINARY,
  "multipart/form-data": { schema: { type: "object", description: "Several image files" } },
  "application/json": { schema: ref("JsonImages") },
};

/** An option's values, as JSON Schema. */
function valuesOf(option: Option): Json {
  const { default: value } = option;
  const fallback = value === undefined ? {} : { default: value };
  switch (option.kind) {
    case "integer":
    case "number":
      return { ...boundsOf(option), ...fallback };
    case "integers": {
      const { min, max } = option;
      return { ...list(boundsOf({ kind: "integer", min, max })), maxItems: option.items };
    }
    case "texts":
      return list(text);
    case "choices":
      return { ...list({ enum: option.choices }), minItems: 1, ...fallback };
    case "choice":
      return { enum: option.choices, ...fallback };
    case "boolean":
      return { type: "boolean", ...fallback };
    default:
      return text;
  }
}

function boundsOf(option: { kind: "integer" | "number"; min?: number; max?: number }): Json {
  return { type: option.kind, minimum: option.min, maximum: option.max };
}

function describe({ about, unset }: Option): string {
  return about + (unset === undefined ? "" : `. Default: ${unset}`);
}

/** A query parameter for each option. A list of numbers is one text with commas. */
function query(table: Table): Json[] {
  return Object.entries(table).map(([name, option]) => ({
    name,
    in: "query",
    description: describe(option),
    schema: valuesOf(option),
    ...option.kind === "integers" ? { style: "form", explode: false } : {},
  }));
}

function answer(description: string, content: Json): Json {
  return { description, content };
}

function schemas(...types: readonly Json[]): Json {
  const schema = types.length === 1 ? types[0] : { oneOf: types };
  return { "application/json": { schema } };
}

const PROBLEM = answer("A problem (RFC 9457)", {
  "application/problem+json": { schema: ref("Problem") },
});

function operation(summary: string, ok: Json, more: Json = {}): Json {
  return { summary, ...more, responses: { "200": ok, default: PROBLEM } };
}

/** A POST: what its body can be, and its query parameters. */
function post(summary: string, content: Json, ok: Json, table?: Table): Json {
  const parameters = table === undefined ? {} : { parameters: query(table) };
  return operation(summary, ok, { ...parameters, requestBody: { required: true, content } });
}

function textAnswer(description: string): Json {
  return answer(description, { "text/plain": { schema: text } });
}

const MODEL = [{ name: "model", in: "path", required: true, schema: text }];
const VERSIONED = [...MODEL, { name: "version", in: "path", required: true, schema: text }];
const HUGGING_FACE = post(
  "Hugging Face's image classification",
  { "image/*": BINARY, ...schemas(ref("HuggingFaceRequest")) },
  answer("Labels and scores, best first", schemas(ref("LabelsAndScores"))),
);
const METADATA = operation("The tensors that go in and come out", answer("Metadata", schemas({})));
const READY = operation("Whether the model is loaded; 503 while it is not", {
  description: "It is",
});
const INFER = post(
  "Open Inference Protocol",
  schemas(ref("InferRequest")),
  answer("Labels, scores and indices", schemas(ref("InferResponse"))),
);

const PATHS: Json = {
  "/": {
    get: operation("The page for people", answer("HTML", { "text/html": { schema: text } })),
    post: HUGGING_FACE,
  },
  "/page.js": {
    get: operation(
      "The page's script",
      answer("A module", { "text/javascript": { schema: text } }),
    ),
  },
  "/openapi.json": { get: operation("This description", answer("OpenAPI 3.1", schemas({}))) },
  "/classify": {
    post: post(
      "Predictions of one image, or of each of several",
      IMAGES,
      {
        ...answer("Predictions", schemas(ref("Predictions"), ref("PredictionsOfFiles"))),
        headers: {
          "x-multi-label": {
            description: "`true` where each label has a score of its own",
            schema: { const: "true" },
          },
        },
      },
      CLASSIFY_PARAMETERS,
    ),
  },
  "/embed": {
    post: post(
      "What similar images are found by, or what a layer says, of one image or of each of several",
      IMAGES,
      answer("Embeddings", schemas(ref("Embedding"), ref("EmbeddingsOfFiles"))),
      EMBEDDING_OPTIONS,
    ),
  },
  "/explain": {
    post: post(
      "Which part of an image speaks for a class",
      IMAGES,
      answer("A picture; numbers for a client that accepts JSON alone", {
        "image/png": {},
        ...schemas(ref("Explanation")),
      }),
      EXPLAIN_PARAMETERS,
    ),
  },
  "/models/{model}": { parameters: MODEL, post: HUGGING_FACE },
  "/v2": { get: operation("The server", answer("Name, version, extensions", schemas({}))) },
  "/v2/models/{model}": { parameters: MODEL, get: METADATA },
  "/v2/models/{model}/versions/{version}": { parameters: VERSIONED, get: METADATA },
  "/v2/models/{model}/ready": { parameters: MODEL, get: READY },
  "/v2/models/{model}/versions/{version}/ready": { parameters: VERSIONED, get: READY },
  "/v2/models/{model}/infer": { parameters: MODEL, post: INFER },
  "/v2/models/{model}/versions/{version}/infer": { parameters: VERSIONED, post: INFER },
  "/v2/health/live": { get: operation("Alive", textAnswer("It is")) },
  "/v2/health/ready": { get: operation("Ready", textAnswer("It is")) },
  "/livez": { get: operation("Alive", textAnswer("It is")) },
  "/readyz": { get: operation("Ready; 503 while loading or draining", textAnswer("It is")) },
  "/metrics": { get: operation("Prometheus's metrics", textAnswer("Text format 0.0.4")) },
};

const DOCUMENT: Json = {
  openapi: "3.1.0",
  info: {
    title: "@edge/vgg16",
    version: VERSION,
    description: "Image classification with quantized VGG networks.",
    license: { name: "MIT", identifier: "MIT" },
  },
  paths: PATHS,
  components: { schemas: SCHEMAS, securitySchemes: { key: { type: "http", scheme: "bearer" } } },
  // Keys are optional.
  security: [{}, { key: [] }],
};

/** `GET /openapi.json`. */
export async function openApiRoute({ request, base }: Call): Promise<Response> {
  return await taggedJson(request, { ...DOCUMENT, servers: [{ url: base || "/" }] });
}
