/**
 * An endpoint of your own, for Deno Deploy or any other place that serves a module: POST a picture,
 * get its label. `createHandler()` is a whole service instead, with limits, batching and metrics.
 *
 *     deno serve --allow-read=lib --host 127.0.0.1 examples/edge_handler.ts
 *     curl --data-binary @cat.png localhost:8000
 */

import { ImageDecodeError, ImageTooLargeError, loadClassifier } from "@edge/vgg16";

// Loads while the instance starts, not when the first request comes.
const classifier = await loadClassifier({ backend: "wasm", threads: 1 });
const LIMITS = { maxBytes: 5_000_000, maxPixels: 20_000_000 };

export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method !== "POST" || request.body === null) {
      return Response.json({ error: "POST a picture" }, { status: 400 });
    }
    try {
      const [best] = await classifier.classify(request.body, LIMITS);
      return Response.json(best);
    } catch (error) {
      if (error instanceof ImageTooLargeError) {
        return Response.json({ error: error.message }, { status: 413 });
      }
      if (error instanceof ImageDecodeError) {
        return Response.json({ error: error.message }, { status: 415 });
      }
      throw error;
    }
  },
} satisfies Deno.ServeDefaultExport;
