/** The service: a request comes in, is checked, routed, answered, counted and logged. */

import { residentBytes, RUNTIME_VERSION } from "../../platform.ts";
import { VERSION } from "../../version.ts";
import { type ServedClassifier, ServedModel } from "../queue/batch_queue.ts";
import { checkOptions, CLASSIFIER_OPTIONS, pickOptions } from "../../options.ts";
import { HANDLER_OPTIONS } from "../../options/service.ts";
import { Pipeline } from "../queue/pipeline.ts";
import type { RemoteOptions } from "../remote/remote_image.ts";
import { Call, Traffic } from "./call.ts";
import { HttpProblem, problemResponse, STATUS, toProblem } from "./problems.ts";
import { textResponse } from "./respond.ts";
import { createKeyCheck, type KeyCheck, type Route, Router, ROUTES } from "./routes.ts";
import { completeSettings, type Settings } from "./settings.ts";
import { Gauge, Log, METRICS_TYPE, ServiceMetrics } from "./telemetry.ts";

/**
 * Options of {@linkcode createHandler}: settings, all of which have defaults, and what a program
 * can give that an environment cannot.
 */
export interface HandlerOptions extends Partial<Settings> {
  /**
   * The classifier to use, instead of one by `model`, `backend`, `precision` and `threads`. It stays
   * the caller's, who disposes of it.
   */
  readonly classifier?: ServedClassifier | Promise<ServedClassifier>;
  /** Gets each line of the log. Default: standard output. */
  readonly writeLog?: (line: string) => void;
  /** Replaces the resolver of names and the rule for addresses when URLs are fetched. */
  readonly remote?: Pick<RemoteOptions, "resolve" | "isAllowed">;
}

/** Answers requests. Holds no state but the model, the queue, the cache and the metrics. */
export class Service implements AsyncDisposable {
  readonly settings: Settings;
  readonly log: Log;
  readonly traffic: Traffic = new Traffic();
  readonly #model: ServedModel;
  readonly #pipeline: Pipeline;
  readonly #checkKey: KeyCheck;
  readonly #router: Router;
  readonly #metrics = new ServiceMetrics();
  #draining = false;

  /** @throws {RangeError} If a setting is unknown or wrong. */
  constructor(options: HandlerOptions = {}) {
    checkOptions(HANDLER_OPTIONS, options);
    this.settings = completeSettings(options);
    this.log = new Log(this.settings.logLevel, this.settings.logFormat, options.writeLog);
    const { classifier } = options;
    this.#model = classifier === undefined
      ? new ServedModel(() => this.#load())
      : new ServedModel(async () => await classifier, { isBorrowed: true });
    this.#pipeline = new Pipeline(this.settings, this.#model, this.#metrics, options.remote);
    this.#checkKey = createKeyCheck(this.settings.keys);
    this.#router = new Router([...ROUTES, ...this.#ownRoutes()]);
  }

  /** Loads the model, so that the first request does not wait for it. */
  async warmUp(): Promise<void> {
    const classifier = await this.#model.get();
    const { model, backend, precision, threads, device } = classifier.info;
    const { bytesResident } = classifier.usage();
    this.log.write("info", "ready", { model, backend, precision, threads, device, bytesResident });
  }

  /** Says on `/readyz` that no more requests should come. Those that come are answered. */
  drain(): void {
    this.#draining = true;
    this.log.write("info", "draining", { active: this.traffic.active });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#model[Symbol.asyncDispose]();
  }

  /** Answers a request. Never throws. `info` is what `Deno.serve` gives beside a request. */
  readonly fetch = async (
    request: Request,
    info?: { readonly completed?: Promise<void> },
  ): Promise<Response> => {
    using call = new Call(request, this.settings, this.traffic, info?.completed);
    let route = "none", problem: HttpProblem | undefined, response: Response;
    try {
      this.#checkHeaders(request);
      if (isPreflight(request)) response = preflightResponse();
      else {
        const match = this.#router.find(request.method, call.url);
        route = match.route.path;
        call.path = match.path;
        if (!match.route.open) await this.#checkKey(request);
        response = await match.route.answer(call, this.#pipeline);
        this.#setTiming(response.headers, call);
      }
    } catch (error) {
      problem = toProblem(error);
      response = problemResponse(problem);
      if (problem.cause !== undefined && problem.status >= 500) {
        this.#logCause(call.id, problem.cause);
      }
    }
    this.#record(call, route, response.status, problem);
    return this.#finish(call, response);
  };

  /** Metrics in Prometheus's text format. */
  metrics(): string {
    const { info } = this.#model;
    const { model = "", backend = "", precision = "" } = info ?? {};
    const build = { version: VERSION, deno: RUNTIME_VERSION, model, backend, precision };
    const { admitted } = this.#pipeline;
    return this.#metrics.render([
      new Gauge("vgg16_queue_images", "Images admitted and not answered.", admitted),
      new Gauge("vgg16_ready", "Whether requests should come.", Number(this.#isReady())),
      new Gauge("vgg16_model_bytes", "Bytes that the model holds.", this.#model.bytesResident),
      new Gauge("vgg16_build_info", "Always 1.", 1, build),
      new Gauge("process_resident_memory_bytes", "Resident memory.", residentBytes()),
    ]);
  }

  async #load(): Promise<ServedClassifier> {
    // Imported late, so that importing the package costs no more than the handler.
    const { loadClassifier } = await import("../../classifier.ts");
    const onWarning = (warning: string): void => this.log.write("warn", "model", { warning });
    return await loadClassifier({ ...pickOptions(CLASSIFIER_OPTIONS, this.settings), onWarning });
  }

  #ownRoutes(): Route[] {
    const alive = (): Response => textResponse(STATUS.ok, "alive\n");
    const ready = (): Response => this.#readiness();
    const metrics = (): Response => textResponse(STATUS.ok, this.metrics(), METRICS_TYPE);
    return [
      { method: "GET", path: "/livez", open: true, answer: alive },
      { method: "GET", path: "/readyz", open: true, answer: ready },
      { method: "GET", path: "/v2/health/live", open: true, answer: alive },
      { method: "GET", path: "/v2/health/ready", open: true, answer: ready },
      { method: "GET", path: "/metrics", answer: metrics },
    ];
  }

  #isReady(): boolean {
    return !this.#draining && this.#model.info !== undefined;
  }

  #readiness(): Response {
    if (this.#isReady()) return textResponse(STATUS.ok, "ready\n");
    if (this.#draining) return textResponse(STATUS.notReady, "draining\n");
    // Whoever asks wants the model to be loaded.
    this.#model.get().catch((error) => this.log.write("error", "load", { error: String(error) }));
    return textResponse(STATUS.notReady, "loading the model\n");
  }

  #checkHeaders(request: Request): void {
    const { maxHeaderBytes } = this.settings;
    let bytes = request.url.length;
    for (const [name, value] of request.headers) bytes += name.length + value.length + 4;
    if (bytes <= maxHeaderBytes) return;
    throw new HttpProblem(
      "headers-too-large",
      `Expected at most ${maxHeaderBytes} bytes of headers, found ${bytes}`,
    );
  }

  #finish(call: Call, given: Response): Response {
    const { request } = call;
    const response = request.method === "HEAD" ? new Response(null, given) : given;
    const { headers } = response;
    setBrowserHeaders(headers, request, this.settings.corsOrigins);
    headers.set("x-request-id", call.id);
    // A client that keeps its connection would hold up the end.
    if (this.#draining) headers.set("connection", "close");
    return response;
  }

  /** Says what a request's time went to (W3C Server Timing), if it had an image. */
  #setTiming(headers: Headers, { costs }: Call): void {
    const { decodeMs, queueMs, inferenceMs } = costs;
    if (inferenceMs === undefined) return;
    const { info } = this.#model;
    if (info === undefined) return;
    const [decode, queue, inference] = [decodeMs ?? 0, queueMs ?? 0, inferenceMs].map(round);
    const timing = `decode;dur=${decode}, queue;dur=${queue}, ` +
      `inference;dur=${inference};desc="${info.backend}, ${info.precision}"`;
    headers.set("server-timing", timing);
  }

  #record(call: Call, route: string, status: number, problem: HttpProblem | undefined): void {
    const ms = performance.now() - call.started;
    this.#metrics.requests.add({ route, status });
    if (problem !== undefined) this.#metrics.errors.add({ kind: problem.problem });
    this.#metrics.request.observe(ms / 1000);
    if (problem?.problem === "overloaded") this.#metrics.refusal.observe(ms / 1000);
    // Orchestrators ask for health all the time, and 503 is an answer to that.
    const level = HEALTH.includes(route) ? "debug" : status >= 500 ? "error" : "info";
    const costs = Object.entries(call.costs)
      .map(([name, value]) => [name, typeof value === "number" ? round(value) : value]);
    this.log.write(level, "request", {
      requestId: call.id,
      method: call.request.method,
      path: call.url.pathname,
      status,
      ms: round(ms),
      problem: problem?.problem,
      ...Object.fromEntries(costs),
    });
  }

  #logCause(requestId: string, cause: unknown): void {
    const error = cause instanceof Error ? cause.stack ?? cause.message : String(cause);
    this.log.write("error", "failure", { requestId, error });
  }
}

const HEALTH: readonly string[] = ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"];

/** Whether a browser asks before a cross-origin request. */
function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("access-control-request-method");
}

function preflightResponse(): Response {
  return new Response(null, {
    status: STATUS.noContent,
    headers: {
      "access-control-allow-methods": "GET, POST",
      "access-control-allow-headers": "authorization, content-type, x-request-id",
      "access-control-max-age": "600",
    },
  });
}

/** Headers of every response, unless it has its own. */
const SECURITY_HEADERS = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};
const EXPOSED = "x-request-id, retry-after, etag, server-timing";

/**
 * Sets the headers that keep browsers careful, and those that let a page of one of some origins read
 * the response.
 *
 * @param origins `*` is any.
 */
function setBrowserHeaders(headers: Headers, request: Request, origins: readonly string[]): void {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
    if (!headers.has(name)) headers.set(name, value);
  }
  const origin = request.headers.get("origin");
  if (origin === null || origins.length === 0) return;
  const isAny = origins.includes("*");
  if (!isAny) headers.set("vary", "origin");
  if (!isAny && !origins.includes(origin)) return;
  headers.set("access-control-allow-origin", isAny ? "*" : origin);
  headers.set("access-control-expose-headers", EXPOSED);
  headers.set("cross-origin-resource-policy", "cross-origin");
}

/** To hundredths: microseconds of no meaning make a log long. */
function round(value: number): number {
  return Math.round(value * 100) / 100;
}
