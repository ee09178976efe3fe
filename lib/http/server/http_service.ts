/** The service: a request comes in, is checked, routed, answered, counted and logged. */

import { residentBytes, RUNTIME_VERSION } from "../../platform.ts";
import { VERSION } from "../../version.ts";
import type { ImageClassifier } from "../../classifier.ts";
import { headOf } from "../../model/architecture.ts";
import { checkOptions, CLASSIFIER_OPTIONS, pickOptions } from "../../options.ts";
import { SERVICE_OPTIONS } from "../../options/service.ts";
import { Pipeline } from "../queue/pipeline.ts";
import { ServedModel } from "../queue/served_model.ts";
import { logCause, recordRequest, timingOf } from "./account.ts";
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
import { createKeyCheck, type KeyCheck, type Route, Router, ROUTES } from "./routes.ts";
import { completeSettings, type ServiceOptions, type Settings } from "./settings.ts";
import { Gauge, Log, METRICS_TYPE, ServiceMetrics } from "./telemetry.ts";

/** An address and its port, or a Unix socket. */
interface Listener {
  readonly hostname?: string | undefined;
  readonly port?: number | undefined;
  readonly path?: string | undefined;
}

/** What `Deno.serve` and `deno serve` give beside a request. */
export interface Connection {
  /** Settles when the response has left. */
  readonly completed?: Promise<void> | undefined;
  /** Where the request comes from. */
  readonly remoteAddr?:
    | { readonly transport?: string | undefined; readonly hostname?: string | undefined }
    | undefined;
}

/** A service that answers requests, wherever they come from. Its functions need no `this`. */
export interface Service extends AsyncDisposable {
  /**
   * Answers a request, below the setting `basePath`. Never rejects. Whatever else than a
   * {@linkcode Connection} a framework gives beside the request is ignored.
   */
  readonly fetch: (request: Request, connection?: Connection | object) => Promise<Response>;
  /** Whether requests should come: the model is here, and nobody drains. */
  readonly ready: boolean;
  /** Loads the model, so that the first request does not wait for it; rejects as loading does. */
  readonly warmUp: () => Promise<void>;
  /**
   * Says on `/readyz` that no more requests should come, and waits until those that came are answered, for
   * at most `drainTimeoutMs`. Those that come nevertheless are answered.
   */
  readonly drain: () => Promise<void>;
  /** Metrics in Prometheus's text format. */
  readonly metrics: () => Promise<string>;
  /** Drains, and closes the classifier if the service owns it. Requests that come later get an error. */
  readonly close: () => Promise<void>;
}

/** Answers requests. Holds no state but the model, the queue, the cache and the metrics. */
export class HttpService implements Service {
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
  constructor(options: ServiceOptions = {}) {
    checkOptions(SERVICE_OPTIONS, options);
    this.settings = completeSettings(options);
    this.log = new Log(this.settings.logLevel, this.settings.logFormat, options.writeLog);
    const { classifier } = options;
    const onFailure = (error: unknown, waitMs: number): void =>
      this.log.write("error", "load", { error: String(error), waitMs });
    const isBorrowed = classifier !== undefined && typeof classifier !== "function";
    const load = async (signal: AbortSignal): Promise<ImageClassifier> => {
      if (classifier === undefined) return await this.#load(signal);
      return await (typeof classifier === "function" ? classifier() : classifier);
    };
    this.#model = new ServedModel(load, { isBorrowed, onFailure });
    // What is here already costs nothing.
    if (isBorrowed) this.#model.get().catch(() => {});
    const { remote } = options;
    this.#pipeline = new Pipeline(this.settings, this.#model, this.#metrics, this.log, remote);
    this.#doorkeeper = new Doorkeeper(this.settings);
    this.#checkKey = createKeyCheck(this.settings.keys);
    this.#router = new Router([...ROUTES, ...this.#ownRoutes()]);
  }

  /** Tells where it listens: what a server calls as `onListen`. */
  readonly listens = ({ hostname, port, path }: Listener): void => {
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

  readonly warmUp = async (): Promise<void> => {
    const { info } = await this.#model.get(), { bytesResident } = this.#model;
    const { model, backend, precision, threads, device } = info;
    this.log.write("info", "ready", { model, backend, precision, threads, device, bytesResident });
  };

  get ready(): boolean {
    return !this.#draining && this.#model.ready;
  }

  readonly drain = async (): Promise<void> => {
    if (!this.#draining) this.log.write("info", "draining", { active: this.traffic.active });
    this.#draining = true;
    await this.traffic.idle(this.settings.drainTimeoutMs);
  };

  readonly close = async (): Promise<void> => {
    await this.drain();
    await this.#model.close();
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** See `serve.ts` for why this is no field. */
  get fetch(): Service["fetch"] {
    return this.#fetch;
  }

  readonly #fetch = async (request: Request, connection?: object): Promise<Response> => {
    const { sent, remote } = readConnection(connection);
    using call = new Call(request, this.settings, this.traffic, sent);
    let route = "none", problem: HttpProblem | undefined, response: Response;
    try {
      this.#warnOfStrangers(remote);
      this.#checkHeaders(request);
      this.#doorkeeper.check(call, remote);
      call.checkTarget();
      if (isPreflight(request)) response = preflightResponse();
      else {
        const match = this.#router.find(call);
        route = match.route.path;
        call.path = match.path;
        if (!match.route.open) await this.#checkKey(request);
        response = await match.route.answer(call, this.#pipeline);
        const timing = timingOf(call, this.#model.info, this.settings);
        if (timing !== undefined) response.headers.set("server-timing", timing);
      }
    } catch (error) {
      problem = toProblem(error);
      response = problemResponse(problem);
      if (problem.status >= 500) logCause(call, problem, this.log);
    }
    recordRequest(call, { route, status: response.status, problem }, this.log, this.#metrics);
    return this.#finish(call, response);
  };

  readonly metrics = (): Promise<string> => {
    const { model = "", backend = "", precision = "", architecture } = this.#model.info ?? {};
    const head = architecture === undefined ? "" : headOf(architecture);
    const build = { version: VERSION, deno: RUNTIME_VERSION, model, backend, precision, head };
    const { admitted } = this.#pipeline;
    return Promise.resolve(this.#metrics.render([
      new Gauge("vgg16_queue_images", "Images admitted and not answered.", admitted),
      new Gauge("vgg16_ready", "Whether requests should come.", Number(this.ready)),
      new Gauge("vgg16_model_bytes", "Bytes that the model holds.", this.#model.bytesResident),
      new Gauge("vgg16_build_info", "Always 1.", 1, build),
      new Gauge("process_resident_memory_bytes", "Resident memory.", residentBytes()),
    ]));
  };

  async #load(signal: AbortSignal): Promise<ImageClassifier> {
    // Imported late, so that importing the package costs no more than the service.
    const { sharedClassifier } = await import("../../compose/shared.ts");
    const onWarning = (warning: string): void => this.log.write("warn", "model", { warning });
    const options = pickOptions(CLASSIFIER_OPTIONS, this.settings);
    return await sharedClassifier({ ...options, onWarning, signal });
  }

  #ownRoutes(): Route[] {
    const alive = (): Response => textResponse(STATUS.ok, "alive\n");
    const ready = (): Response => this.#readiness();
    const metrics = async () => textResponse(STATUS.ok, await this.metrics(), METRICS_TYPE);
    return [
      { method: "GET", path: "/livez", open: true, answer: alive },
      { method: "GET", path: "/readyz", open: true, answer: ready },
      { method: "GET", path: "/v2/health/live", open: true, answer: alive },
      { method: "GET", path: "/v2/health/ready", open: true, answer: ready },
      { method: "GET", path: "/metrics", answer: metrics },
    ];
  }

  #readiness(): Response {
    if (this.ready) return textResponse(STATUS.ok, "ready\n");
    if (this.#draining) return textResponse(STATUS.notReady, "draining\n");
    if (this.#model.info === undefined) return notReady(this.#model.waitMs);
    return textResponse(STATUS.notReady, "the classifier is closed or lost\n");
  }

  /** Once: a service that was meant for this machine alone, or for those who have a key. */
  #warnOfStrangers(address: string | undefined): void {
    if (this.#hasWarned || this.settings.keys !== undefined) return;
    if (address === undefined || isLocalAddress(address)) return;
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
}

/** What is told of a connection: others than Deno's servers may give anything. */
function readConnection(given: Connection | undefined): { sent?: Promise<void>; remote?: string } {
  const { completed, remoteAddr } = given ?? {}, remote = remoteAddr?.hostname;
  return {
    ...completed instanceof Promise ? { sent: completed } : {},
    ...typeof remote === "string" ? { remote } : {},
  };
}
