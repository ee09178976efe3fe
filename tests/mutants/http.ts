/** What a service promises to browsers, to strangers and to operators. */

import type { ChosenMutant } from "../../tools/chosen_mutants.ts";

const BROWSERS = {
  file: "lib/http/server/browsers.ts",
  test: "tests/http/server/browsers_test.ts",
};
const PIPELINE = { file: "lib/http/queue/pipeline.ts", test: "tests/http/queue/pipeline_test.ts" };
const SERVED = { file: "lib/http/queue/served_model.ts" };
const CALL = { file: "lib/http/server/call.ts" };
const SERVICE = { file: "lib/http/server/http_service.ts" };
const PAGE = { file: "lib/http/page/page.ts", test: "tests/http/service_test.ts" };
const INFER = {
  file: "lib/http/protocols/open_inference.ts",
  test: "tests/http/protocols/open_inference_test.ts",
};
const LIFECYCLE = { test: "tests/http/lifecycle_test.ts" };
const LIMITS = { test: "tests/http/server/limits_test.ts" };

export const MUTANTS: readonly ChosenMutant[] = [
  {
    ...BROWSERS,
    name: "answers do not vary by Origin",
    before: 'headers.append("vary", "origin");',
    after: "",
  },
  {
    ...PIPELINE,
    name: "embeddings of different options go in one batch",
    before: "key: prepare === undefined ? own : key,",
    after: 'key: (prepare === undefined ? own : key).split(" ")[0]!,',
  },
  {
    ...PIPELINE,
    name: "embeddings are kept without their options",
    before: "kept: { key: own, bytesOf",
    after: 'kept: { key: own.split(" ")[0]!, bytesOf',
  },
  {
    ...PIPELINE,
    name: "scores are kept without how the image was looked at",
    before: "const own = `${key} ${JSON.stringify(views)}`;",
    after: "const own = key;",
  },
  {
    ...PIPELINE,
    name: "explanations of different options go in one batch",
    before: "key: `explain ${JSON.stringify(options)}`,",
    after: 'key: "explain",',
  },
  {
    file: "lib/http/server/routes.ts",
    name: "a malformed %-path is taken as it is",
    before: "throw badRequest(`The path is malformed: ${text}`);",
    after: "return [name, text];",
    test: "tests/http/service_test.ts",
  },
  {
    file: "lib/http/server/routes.ts",
    name: "a malformed %-path is the server's failure",
    before: "throw badRequest(`The path is malformed: ${text}`);",
    after: "throw new URIError(text);",
    test: "tests/http/service_test.ts",
  },
  {
    ...SERVED,
    name: "a load that failed is never tried again",
    before: "      this.#loading = undefined;\n      if (this.#isClosed) throw error;",
    after: "      if (this.#isClosed) throw error;",
    test: "tests/http/queue/served_model_test.ts",
  },
  {
    ...SERVED,
    name: "a load that failed is tried again at once",
    before: "if (this.waitMs > 0) throw this.#failure!.error;",
    after: "",
    test: "tests/http/queue/served_model_test.ts",
  },
  {
    ...SERVICE,
    ...LIFECYCLE,
    name: "connections are kept while the service drains",
    before: 'if (this.#draining) headers.set("connection", "close");',
    after: "",
  },
  {
    ...SERVICE,
    ...LIFECYCLE,
    name: "connections are closed always",
    before: 'if (this.#draining) headers.set("connection", "close");',
    after: 'headers.set("connection", "close");',
  },
  {
    ...CALL,
    ...LIFECYCLE,
    name: "a drain has no time limit",
    before: "const timer = setTimeout(resolve, limitMs);",
    after: "const timer = undefined;",
  },
  {
    file: "lib/http/server/workers.ts",
    name: "a worker that drains does not wait for others' requests",
    before: "if (traffic.active > 0 || busy.size > 0) quietMs = 0;",
    after: "if (traffic.active > 0) quietMs = 0;",
    test: "tests/http/server/workers_test.ts",
  },
  {
    file: "lib/http/server/workers.ts",
    name: "a worker that drains does not hear that others are done",
    before: "else busy.delete(data.id);",
    after: "",
    test: "tests/http/server/workers_test.ts",
  },
  {
    ...INFER,
    name: "binary_data_size is not held against what follows",
    before: "if (size !== rest.length) {",
    after: "if (false) {",
  },
  {
    ...INFER,
    name: "binary data that ends within an element is taken",
    before:
      'if (at + 4 + length > binary.length) throw badRequest("The binary data ends within an element");',
    after: "",
  },
  {
    ...PAGE,
    name: "the page has no policy of its own",
    before: 'response.headers.set("content-security-policy", policy);',
    after: "",
  },
  ...[
    "\"default-src 'none'\",",
    "\"script-src 'self'\",",
    "\"img-src 'self' blob: data:\",",
    '"media-src blob: mediastream:",',
    "\"connect-src 'self'\",",
    "\"base-uri 'none'\",",
    "\"form-action 'none'\",",
    "\"frame-ancestors 'none'\",",
  ].map((before) => ({ ...PAGE, name: `the page's policy lacks ${before}`, before, after: "" })),
  {
    ...PAGE,
    name: "the page's scripts may be inline",
    before: "\"script-src 'self'\",",
    after: "\"script-src 'self' 'unsafe-inline'\",",
  },
  {
    ...PAGE,
    name: "the page's style is not the one whose hash is told",
    before: "new TextEncoder().encode(style)",
    after: 'new TextEncoder().encode(style + " ")',
  },
  {
    ...BROWSERS,
    name: "answers have no policy",
    before: "\"content-security-policy\": \"default-src 'none'; frame-ancestors 'none'\",",
    after: "",
    test: "tests/http/service_test.ts",
  },
  {
    file: "lib/http/protocols/images.ts",
    name: "the server's failure at one image of a list is told as that image's",
    before: "if (problem.status >= 500) throw outcome.reason;",
    after: "",
    ...LIMITS,
  },
  {
    ...PIPELINE,
    ...LIMITS,
    name: "a full queue does not say when to come again",
    before: '{ headers: { "retry-after": String(Math.min(60, Math.max(1, seconds))) } },',
    after: "{},",
  },
  {
    ...PIPELINE,
    ...LIMITS,
    name: "a full queue asks to come again at once",
    before: "Math.min(60, Math.max(1, seconds))",
    after: "0",
  },
  {
    ...PIPELINE,
    name: "a model that could not be loaded does not say when it is tried again",
    before: "throw new HttpProblem(problem, message, { headers, retryable });",
    after: "throw new HttpProblem(problem, message, { retryable });",
    test: "tests/http/queue/served_model_test.ts",
  },
  {
    file: "lib/http/server/respond.ts",
    name: "/readyz does not say when a load is tried again",
    before: 'if (waitMs > 0) response.headers.set("retry-after"',
    after: 'if (false) response.headers.set("retry-after"',
    test: "tests/http/queue/served_model_test.ts",
  },
  {
    ...CALL,
    ...LIMITS,
    name: "a body that was given up does not say when to come again",
    before: 'const headers = { "retry-after": "1" };',
    after: "const headers = {};",
  },
  {
    file: "lib/options/service.ts",
    name: "a request's images may be resized to any scale",
    before: "scales: { ...VIEW_OPTIONS.scales, max: MAX_SCALE, items: 3 },",
    after: "scales: { ...VIEW_OPTIONS.scales, items: 3 },",
    test: "tests/http/service_test.ts",
  },
  {
    file: "lib/options/service.ts",
    name: "a request's images may be looked at in any number of scales",
    before: "scales: { ...VIEW_OPTIONS.scales, max: MAX_SCALE, items: 3 },",
    after: "scales: { ...VIEW_OPTIONS.scales, max: MAX_SCALE },",
    test: "tests/http/service_test.ts",
  },
  {
    file: "lib/options/service.ts",
    name: "an explanation's scale may be any",
    before: "scale: { ...EXPLANATION_OPTIONS.scale, max: MAX_SCALE },",
    after: "scale: EXPLANATION_OPTIONS.scale,",
    test: "tests/http/protocols/explain_test.ts",
  },
  {
    file: "lib/options/check.ts",
    name: "of some scales only the first has bounds",
    before: '        value.every((item) => isInteger(item, option));\n    case "program"',
    after: '        isInteger(value[0], option);\n    case "program"',
    test: "tests/http/service_test.ts",
  },
];
