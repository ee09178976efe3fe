/**
 * Counters, gauges and histograms in Prometheus's text format, version 0.0.4.
 *
 * @module
 */

type Labels = Readonly<Record<string, string | number>>;

interface Metric {
  readonly name: string;
  readonly about: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** The samples' lines. */
  lines(): Iterable<string>;
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) =>
    `${label}="${
      String(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
    }"`
  );
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`;
}

/** Counts, by labels. */
export class Counter implements Metric {
  readonly type = "counter";
  readonly name: string;
  readonly about: string;
  readonly #counts = new Map<string, { labels: Labels; count: number }>();

  /** `name` ends in `_total`. */
  constructor(name: string, about: string) {
    this.name = name;
    this.about = about;
  }

  /** Counts one more. */
  add(labels: Labels = {}): void {
    const key = JSON.stringify(labels);
    const entry = this.#counts.get(key);
    if (entry === undefined) this.#counts.set(key, { labels, count: 1 });
    else entry.count++;
  }

  *lines(): Iterable<string> {
    for (const { labels, count } of this.#counts.values()) yield sample(this.name, labels, count);
  }
}

/** Reads values when it is asked. */
export class Gauge implements Metric {
  readonly type = "gauge";
  readonly name: string;
  readonly about: string;
  readonly #read: () => Iterable<readonly [Labels, number]>;

  constructor(name: string, about: string, read: () => Iterable<readonly [Labels, number]>) {
    this.name = name;
    this.about = about;
    this.#read = read;
  }

  *lines(): Iterable<string> {
    for (const [labels, value] of this.#read()) yield sample(this.name, labels, value);
  }
}

/** Counts values into cumulative buckets. */
export class Histogram implements Metric {
  readonly type = "histogram";
  readonly name: string;
  readonly about: string;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  /** `bounds` are the buckets' upper bounds, ascending. */
  constructor(name: string, about: string, bounds: readonly number[]) {
    this.name = name;
    this.about = about;
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  /** Counts a value. */
  observe(value: number): void {
    this.#sum += value;
    this.#count++;
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    if (bucket >= 0) this.#counts[bucket]++;
  }

  *lines(): Iterable<string> {
    let below = 0;
    for (const [i, bound] of this.#bounds.entries()) {
      below += this.#counts[i];
      yield sample(`${this.name}_bucket`, { le: bound }, below);
    }
    yield sample(`${this.name}_bucket`, { le: "+Inf" }, this.#count);
    yield sample(`${this.name}_sum`, {}, this.#sum);
    yield sample(`${this.name}_count`, {}, this.#count);
  }
}

/** Media type of {@linkcode renderMetrics}. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The metrics as text. */
export function renderMetrics(metrics: readonly Metric[]): string {
  const lines: string[] = [];
  for (const metric of metrics) {
    lines.push(`# HELP ${metric.name} ${metric.about}`);
    lines.push(`# TYPE ${metric.name} ${metric.type}`);
    lines.push(...metric.lines());
  }
  return lines.join("\n") + "\n";
}

/** Bounds in seconds, from half a millisecond to half a minute. */
export const SECONDS: readonly number[] = [
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
];
/** Bounds in images. */
export const BATCHES: readonly number[] = [1, 2, 4, 8, 16, 32, 64];
