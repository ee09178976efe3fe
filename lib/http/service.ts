/** The service as programs make it: `Request -> Response`, without sockets. */

import { checkOptions } from "../options.ts";
import { SERVICE_OPTIONS } from "../options/service.ts";
import type { Connection, HttpService, Service } from "./server/http_service.ts";
import { problemResponse, toProblem } from "./server/problems.ts";
import { completeSettings, readSettings, type ServiceOptions } from "./server/settings.ts";

export type { Connection, Service } from "./server/http_service.ts";
export type { ServiceOptions } from "./server/settings.ts";

/**
 * Creates a service, to be mounted wherever requests come from.
 *
 * Options are checked at once. The service's modules are imported at the first request, and the model is
 * loaded at the first one that needs it, or by `warmUp()`.
 *
 * @example
 * ```ts
 * import { classifierFrom, createService } from "@edge/vgg16";
 *
 * const classifier = classifierFrom({
 *   labels: ["day", "night"],
 *   scores: (images) => images.map(() => [0.9, 0.1]),
 * });
 * await using service = createService({ classifier, basePath: "/api/vision", logLevel: "off" });
 * const body = await Deno.readFile("tests/data/photos/cat.png");
 * const url = "http://localhost/api/vision/classify";
 * const [best] = await (await service.fetch(new Request(url, { method: "POST", body }))).json();
 * console.log(best.label, service.ready); // day true
 * ```
 *
 * @throws {RangeError} If an option is unknown or out of range.
 */
export function createService(options: ServiceOptions = {}): Service {
  checkOptions(SERVICE_OPTIONS, options);
  completeSettings(options);
  // A promise of a classifier may fail before anybody asks for it: whoever asks is told.
  if (options.classifier instanceof Promise) options.classifier.catch(() => {});
  let opening: Promise<HttpService> | undefined, opened: HttpService | undefined;
  const open = (): Promise<HttpService> =>
    opening ??= start(options).then((service) => opened = service, (error) => {
      opening = undefined; // It is imported again by the next request.
      throw error;
    });
  /** At once, where it is here. */
  const use = async <Value>(work: (service: HttpService) => Promise<Value>): Promise<Value> =>
    await work(opened ?? await open());
  const service: Service = {
    fetch: async (request, connection) => {
      try {
        return await use(({ fetch }) => fetch(request, connection));
      } catch (error) {
        return problemResponse(toProblem(error));
      }
    },
    get ready() {
      return opened?.ready ?? false;
    },
    warmUp: () => use((service) => service.warmUp()),
    drain: () => use((service) => service.drain()),
    metrics: () => use((service) => service.metrics()),
    close: () => use((service) => service.close()),
    [Symbol.asyncDispose]: () => service.close(),
  };
  return service;
}

/** Who only classifies does not load the service. */
async function start(options: ServiceOptions): Promise<HttpService> {
  const { HttpService } = await import("./server/http_service.ts");
  return new HttpService(options);
}

/**
 * Creates a handler for `Deno.serve`, or for whatever else calls `Request -> Response`: the `fetch` of
 * {@linkcode createService}. It never rejects.
 *
 * @example
 * ```ts
 * import { createHandler } from "@edge/vgg16";
 *
 * const handler = createHandler({ maxBodyBytes: 1_000_000, logLevel: "off" });
 * const image = await Deno.readFile("tests/data/photos/cat.png");
 * const request = new Request("http://localhost/classify", { method: "POST", body: image });
 * const [best] = await (await handler(request)).json();
 * console.log(best.label); // tabby cat
 * ```
 *
 * @throws {RangeError} If an option is unknown or out of range.
 */
export function createHandler(options: ServiceOptions = {}): Service["fetch"] {
  return createService(options).fetch;
}

let shared: Service["fetch"] | undefined;

/**
 * A handler with options from the environment: `VGG16_MAX_BODY_BYTES` for `maxBodyBytes`, and so
 * on. It has one model with `classify()`, if that is the same.
 *
 * The environment is read at the first request, so that importing this needs no permission.
 *
 * @throws {RangeError} If a variable's name or value is wrong.
 */
export async function handler(
  request: Request,
  connection?: Connection | object,
): Promise<Response> {
  shared ??= createHandler(readSettings());
  return await shared(request, connection);
}
