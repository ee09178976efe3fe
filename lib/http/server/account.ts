/** What is told of each request: to its client, to the log, and in the metrics. */

import type { ImageClassifierInfo } from "../../classifier.ts";
import type { Call } from "./call.ts";
import type { HttpProblem } from "./problems.ts";
import { isHealth } from "./routes.ts";
import type { Settings } from "./settings.ts";
import type { Log, ServiceMetrics } from "./telemetry.ts";

/** What a request's time went to (W3C Server Timing), if it had an image. */
export function timingOf(
  { costs: { images, decodeMs = 0, queueMs = 0, inferenceMs = 0 } }: Call,
  { backend, precision }: Partial<ImageClassifierInfo> = {},
  { cacheEntries }: Pick<Settings, "cacheEntries">,
): string | undefined {
  if (images === undefined) return undefined;
  const desc = backend === undefined ? "" : `;desc="${backend}, ${precision}"`;
  // Where results are kept, times would tell whether somebody else has sent the same picture.
  if (cacheEntries > 0) return `inference${desc}`;
  const times = { decode: decodeMs, queue: queueMs, inference: inferenceMs };
  return Object.entries(times).map(([name, ms]) => `${name};dur=${round(ms)}`).join(", ") + desc;
}

/** How a request ended. */
export interface Outcome {
  /** The path of its route. */
  readonly route: string;
  readonly status: number;
  readonly problem: HttpProblem | undefined;
}

/** Counts a request, and writes its line. */
export function recordRequest(
  call: Call,
  { route, status, problem }: Outcome,
  log: Log,
  metrics: ServiceMetrics,
): void {
  const ms = performance.now() - call.started;
  metrics.requests.add({ route, status });
  if (problem !== undefined) metrics.errors.add({ kind: problem.problem });
  metrics.request.observe(ms / 1000);
  if (problem?.problem === "overloaded") metrics.refusal.observe(ms / 1000);
  // Orchestrators ask for health all the time, and 503 is an answer to that.
  const isFailure = status >= 500 && problem?.problem !== "not-supported";
  const level = isHealth(call.route) ? "debug" : isFailure ? "error" : "info";
  const costs = Object.entries(call.costs)
    .map(([name, value]) => [name, typeof value === "number" ? round(value) : value]);
  log.write(level, "request", {
    requestId: call.id,
    method: call.request.method,
    path: call.url.pathname,
    status,
    ms: round(ms),
    problem: problem?.problem,
    ...Object.fromEntries(costs),
  });
}

/** Writes down what a client is not told. */
export function logCause({ id: requestId }: Call, { cause }: HttpProblem, log: Log): void {
  if (cause === undefined) return;
  const error = cause instanceof Error ? cause.stack ?? cause.message : String(cause);
  log.write("error", "failure", { requestId, error });
}

/** To hundredths: microseconds of no meaning make a log long. */
function round(value: number): number {
  return Math.round(value * 100) / 100;
}
