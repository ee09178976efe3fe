/**
 * What the service tells of itself: its log, and metrics in Prometheus's text format, version 0.0.4.
 */

import { NO_COLOR } from "../../platform.ts";
import { visible, visibleJson } from "../../report/visible.ts";
import { LOG_LEVELS, type LogLevel } from "./settings.ts";

/** Fields of a line; undefined ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** One line a request, from some level on: never what an image shows, never a key. */
export class Log {
  readonly #least: number;
  readonly #text: boolean;
  readonly #write: (line: string) => void;

  /** `write` gets each line; what it throws is left out. Default: standard output. */
  constructor(
    level: LogLevel,
    format: "json" | "text",
    write: (line: string) => void = console.log,
  ) {
    this.#least = LOG_LEVELS.indexOf(level);
    this.#text = format === "text";
    this.#write = write;
  }

  write(level: Exclude<LogLevel, "off">, message: string, fields: LogFields = {}): void {
    if (LOG_LEVELS.indexOf(level) < this.#least) return;
    const time = new Date().toISOString();
    const line = this.#text
      ? textLine(time, level, message, fields)
      : visibleJson({ time, level, message, ...fields });
    try {
      this.#write(line);
    } catch {
      // No answer fails because it cannot be written down.
    }
  }
}

/** Gray, green, yellow, red: parameters of ECMA-48's Select Graphic Rendition. */
const COLORS = { debug: 90, info: 32, warn: 33, error: 31 };

function textLine(
  time: string,
  level: keyof typeof COLORS,
  message: string,
  fields: LogFields,
): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === "string" ? visibleJson(value) : value}`);
  const word = level.padEnd(5);
  const painted = NO_COLOR ? word : `\x1b[${COLORS[level]}m${word}\x1b[39m`;
  return [time, painted, visible(message), ...pairs].join(" ");
}

type Labels = Readonly<Record<string, string | number>>;

abstract class Metric {
  abstract readonly type: "counter" | "gauge" | "histogram";
  readonly name: string;
  readonly about: string;

  constructor(name: string, about: string) {
    this.name = name;
    this.about = about;
  }

  /** The samples' lines. */
  abstract lines(): Iterable<string>;
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) =>
    `${label}="${String(text).replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"`
  );
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`;
}

/** Counts, by labels. Its name ends in `_total`. */
export class Counter extends Metric {
  override readonly type = "counter";
  readonly #counts = new Map<string, { labels: Labels; count: number }>();

  add(labels: Labels = {}): void {
    const key = JSON.stringify(labels);
    const entry = this.#counts.get(key);
    if (entry === undefined) this.#counts.set(key, { labels, count: 1 });
    else entry.count++;
  }

  override *lines(): Iterable<string> {
    for (const { labels, count } of this.#counts.values()) yield sample(this.name, labels, count);
  }
}

/** A value as it is now, or none. */
export class Gauge extends Metric {
  override readonly type = "gauge";
  readonly #value: number | undefined;
  readonly #labels: Labels;

  constructor(name: string, about: string, value: number | undefined, labels: Labels = {}) {
    super(name, about);
    this.#value = value;
    this.#labels = labels;
  }

  override *lines(): Iterable<string> {
    if (this.#value !== undefined) yield sample(this.name, this.#labels, this.#value);
  }
}

/** Counts values into cumulative buckets. */
export class Histogram extends Metric {
  override readonly type = "histogram";
  readonly #buckets: readonly { readonly bound: number; count: number }[];
  #sum = 0;
  #count = 0;

  /** `bounds` are the buckets' upper bounds, ascending. */
  constructor(name: string, about: string, bounds: readonly number[]) {
    super(name, about);
    this.#buckets = bounds.map((bound) => ({ bound, count: 0 }));
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count++;
    const bucket = this.#buckets.find(({ bound }) => value <= bound);
    if (bucket !== undefined) bucket.count++;
  }

  override *lines(): Iterable<string> {
    let below = 0;
    for (const { bound, count } of this.#buckets) {
      below += count;
      yield sample(`${this.name}_bucket`, { le: bound }, below);
    }
    yield sample(`${this.name}_bucket`, { le: "+Inf" }, this.#count);
    yield sample(`${this.name}_sum`, {}, this.#sum);
    yield sample(`${this.name}_count`, {}, this.#count);
  }
}

/** Media type of {@linkcode renderMetrics}. */
export const METRICS_TYPE = "text/plain; version=0.0.4";

export function renderMetrics(metrics: readonly Metric[]): string {
  return metrics.flatMap((metric) => [
    `# HELP ${metric.name} ${metric.about}`,
    `# TYPE ${metric.name} ${metric.type}`,
    ...metric.lines(),
  ]).join("\n") + "\n";
}

/** Bounds in seconds, from half a millisecond to half a minute. */
// deno-fmt-ignore
const SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
/** Bounds in images. */
const BATCHES = [1, 2, 4, 8, 16, 32, 64];

const seconds = (name: string, about: string): Histogram => new Histogram(name, about, SECONDS);

/** The counters and histograms of a service. */
export class ServiceMetrics {
  /** By route and status. */
  readonly requests: Counter = new Counter("vgg16_requests_total", "Requests answered.");
  /** By kind of problem. */
  readonly errors: Counter = new Counter("vgg16_errors_total", "Problems.");
  /** From a request's headers to its answer. */
  readonly request: Histogram = seconds("vgg16_request_seconds", "Time to answer a request.");
  /** The same, of requests that were refused because the service was busy. */
  readonly refusal: Histogram = seconds("vgg16_refusal_seconds", "Time to refuse a request.");
  /** From decoded to running. */
  readonly queue: Histogram = seconds("vgg16_queue_seconds", "Time that an image waits to run.");
  /** Waiting for a decoder, decoding and resizing. */
  readonly decode: Histogram = seconds("vgg16_decode_seconds", "Time to decode an image.");
  readonly inference: Histogram = seconds("vgg16_inference_seconds", "Time of a batch.");
  readonly batch: Histogram = new Histogram("vgg16_batch_images", "Images in a batch.", BATCHES);

  /** All of them and some gauges as text. */
  render(gauges: readonly Gauge[]): string {
    const own = Object.values(this).filter((value) => value instanceof Metric);
    return renderMetrics([...own, ...gauges]);
  }
}
