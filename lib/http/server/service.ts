/** The service: a request comes in, is checked, routed, answered, counted and logged. */

import { residentBytes, RUNTIME_VERSION } from "../../platform.ts";
import { VERSION } from "../../version.ts";
import { checkOptions, CLASSIFIER_OPTIONS, pickOptions } from "../../options.ts";
import { HANDLER_OPTIONS } from "../../options/service.ts";
import { Pipeline } from "../queue/pipeline.ts";
import { type ServedClassifier, ServedModel } from "../queue/served_model.ts";
import type { RemoteRules } from "../remote/downloads.ts";
import {
  Doorkeeper,
  isLocalAddress,
  isPreflight,
  preflightResponse,
  setBrowserHeaders,
} from "./browsers.ts";
import { Call, Traffic } from "./call.ts";
import { HttpProblem, problemResponse, STATUS, toProblem } from "./problems.ts";
import { notReady, textResponse } from "./respond.ts";
import { createKeyCheck, isHealth, type KeyCheck, type Route, Router, ROUTES } from "./routes.ts";
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
  readonly classifier?: ServedClassifier | Promise<ServedClassifier> | undefined;
  /** Gets each line of the log. Default: standard output. */
  readonly writeLog?: ((line: string) => void) | undefined;
  /** Replaces the resolver of names and the rule for addresses when URLs are fetched. */
  readonly remote?: RemoteRules | undefined;
}

/** An address and its port, or a Unix socket. */
interface Listener {
  readonly hostname?: string | undefined;
  readonly port?: number | undefined;
  readonly path?: string | undefined;
}

/** What `Deno.serve` and `deno serve` give beside a request; others may give anything. */
export interface Connection {
  /** Settles when the response has left. */
  readonly completed?: Promise<void> | undefined;
  /** Where the request comes from. */
  readonly remoteAddr?:
    | { readonly transport?: string | undefined; readonly hostname?: string | undefined }
    | undefined;
}

/** Answers requests. Holds no state but the model, the queue, the cache and the metrics. */
export class Service implements AsyncDisposable {
  readonly settings: Settings;
  readonly log: Log;
  readonly traffic: Traffic = new Traffic();
  readonly #model: ServedModel;
  readonly #pipeline: Pipeline;
  readonly #doorkeeper: Doorkeeper;
  readonly #checkKey: KeyCheck;
  readonly #router: Router;
  readonly #metrics = new ServiceMetrics();
  #draining = false;
  #hasWarned = false;

  /** @throws {RangeError} If a setting is unknown or wrong. */
  constructor(options: HandlerOptions = {}) {
    checkOptions(HANDLER_OPTIONS, options);
    this.settings = completeSettings(options);
    this.log = new Log(this.settings.logLevel, this.settings.logFormat, options.writeLog);
    const { classifier } = options;
    const onFailure = (error: unknown, waitMs: number): void =>
      this.log.write("error", "load", { error: String(error), waitMs });
    const load = classifier === undefined ? () => this.#load() : async () => await classifier;
    const isBorrowed = classifier !== undefined;
    this.#model = new ServedModel(load, { isBorrowed, onFailure });
    // What is here already costs nothing.
    if (isBorrowed) this.#model.get().catch(() => {});
    const { remote } = options;
    this.#pipeline = new Pipeline(this.settings, this.#model, this.#metrics, this.log, remote);
    this.#doorkeeper = new Doorkeeper(this.settings);
    this.#checkKey = createKeyCheck(this.settings.keys);
    this.#router = new Router([...ROUTES, ...this.#ownRoutes()]);
  }

  /** Tells where it listens: what `Deno.serve` calls, and `deno serve` with a service as the export. */
  readonly onListen = ({ hostname, port, path }: Listener): void => {
    const keys = this.settings.keys?.length ?? 0;
    this.log.write("info", "listening", { hostname, port, path, keys });
    this.listensAt(hostname ?? path ?? "");
  };

  /** Tells the address, without a word in the log; the last one counts. */
  listensAt(address: string): void {
    this.#doorkeeper.listensAt(address);
  }

  /** How long no load is tried, in milliseconds, because the last one failed; 0 if it did not. */
  get waitMs(): number {
    return this.#model.waitMs;
  }

  /**
   * Loads the model, so that the first request does not wait for it.
   *
   * @throws What loading throws; then the next is tried after {@linkcode waitMs}.
   */
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

  /** Answers a request. Never throws. */
  readonly fetch = async (request: Request, connection?: Connection): Promise<Response> => {
    using call = new Call(request, this.settings, this.traffic, connection?.completed);
    let route = "none", problem: HttpProblem | undefined, response: Response;
    try {
      this.#warnOfStrangers(connection);
      this.#checkHeaders(request);
      this.#doorkeeper.check(request, call.url, connection?.remoteAddr?.hostname);
      call.checkTarget();
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
    return notReady(this.#model.waitMs);
  }

  /** Once: a service that was meant for this machine alone, or for those who have a key. */
  #warnOfStrangers(connection: Connection | undefined): void {
    if (this.#hasWarned || this.settings.keys !== undefined) return;
    const address = connection?.remoteAddr?.hostname;
    if (typeof address !== "string" || isLocalAddress(address)) return;
    this.#hasWarned = true;
    const advice = "anybody who reaches this service may use it: set keys, or listen at 127.0.0.1";
    this.log.write("warn", "open", { address, advice });
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
    const { images, decodeMs = 0, queueMs = 0, inferenceMs = 0 } = costs;
    if (images === undefined) return;
    const { info } = this.#model;
    if (info === undefined) return;
    const desc = `desc="${info.backend}, ${info.precision}"`;
    // Where results are kept, times would tell whether somebody else has sent the same picture.
    const timing = this.settings.cacheEntries > 0
      ? `inference;${desc}`
      : `decode;dur=${round(decodeMs)}, queue;dur=${round(queueMs)}, ` +
        `inference;dur=${round(inferenceMs)};${desc}`;
    headers.set("server-timing", timing);
  }

  #record(call: Call, route: string, status: number, problem: HttpProblem | undefined): void {
    const ms = performance.now() - call.started;
    this.#metrics.requests.add({ route, status });
    if (problem !== undefined) this.#metrics.errors.add({ kind: problem.problem });
    this.#metrics.request.observe(ms / 1000);
    if (problem?.problem === "overloaded") this.#metrics.refusal.observe(ms / 1000);
    // Orchestrators ask for health all the time, and 503 is an answer to that.
    const level = isHealth(call.url) ? "debug" : status >= 500 ? "error" : "info";
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

/** To hundredths: microseconds of no meaning make a log long. */
function round(value: number): number {
  return Math.round(value * 100) / 100;
}
