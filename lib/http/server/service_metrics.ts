/**
 * What the service measures of itself.
 *
 * @module
 */

import { BATCHES, Counter, type Gauge, Histogram, renderMetrics, SECONDS } from "./metrics.ts";

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
  /** Decoding and resizing. */
  readonly decode: Histogram = seconds("vgg16_decode_seconds", "Time to decode an image.");
  /** A batch in the network. */
  readonly inference: Histogram = seconds("vgg16_inference_seconds", "Time of a batch.");
  /** Images that went through the network together. */
  readonly batch: Histogram = new Histogram("vgg16_batch_images", "Images in a batch.", BATCHES);

  /** All of them and some gauges as text. */
  render(gauges: readonly Gauge[]): string {
    const { requests, errors, request, refusal, queue, decode, inference, batch } = this;
    return renderMetrics([
      ...[requests, errors, request, refusal, queue, decode, inference, batch],
      ...gauges,
    ]);
  }
}
