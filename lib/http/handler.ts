/**
 * `Request -> Response`: classification as a web handler, without sockets.
 *
 * @module
 */

import type { Classifier } from "../classifier.ts";
import { VERSION } from "../version.ts";
import { HttpProblem, problemResponse, toProblem } from "./problems.ts";

/** Options of {@linkcode createHandler}. */
export interface HandlerOptions {
  /** The classifier to use. Default: the embedded model, loaded at the first request and kept. */
  readonly classifier?: Pick<Classifier, "classify" | "info">;
  /** Most bytes of a body. Default: 10 MiB. */
  readonly maxBodyBytes?: number;
}

const MAX_BODY_BYTES = 10 * 2 ** 20;

/**
 * Creates a handler for `Deno.serve`, or for whatever else calls `Request -> Response`.
 *
 * @example
 * ```ts no-eval
 * import { createHandler } from "@edge/vgg16";
 *
 * Deno.serve(createHandler({ maxBodyBytes: 1_000_000 }));
 * ```
 */
export function createHandler(
  options: HandlerOptions = {},
): (request: Request) => Promise<Response> {
  let loading = options.classifier && Promise.resolve(options.classifier);
  return async (request) => {
    try {
      const { pathname } = new URL(request.url);
      if (pathname === "/" && request.method === "GET") return about();
      if (pathname !== "/classify") {
        throw new HttpProblem("not-found", `Expected POST /classify, found ${pathname}`);
      }
      if (request.method !== "POST") {
        throw new HttpProblem("method-not-allowed", `Expected POST, found ${request.method}`, {
          headers: { allow: "POST" },
        });
      }
      const bytes = await readBody(request, options.maxBodyBytes ?? MAX_BODY_BYTES);
      loading ??= loadDefault();
      const classifier = await loading.catch((error) => {
        loading = undefined; // The next request tries again.
        throw error;
      });
      return Response.json(await classifier.classify(bytes, { signal: request.signal }));
    } catch (error) {
      const problem = toProblem(error);
      if (problem.problem === "internal") console.error(error);
      return problemResponse(problem);
    }
  };
}

/** {@linkcode createHandler} with default options. */
export function handler(request: Request): Promise<Response> {
  shared ??= createHandler();
  return shared(request);
}

let shared: ((request: Request) => Promise<Response>) | undefined;

async function loadDefault(): Promise<Classifier> {
  // Imported late, so that importing the package costs no more than this file.
  const { loadClassifier } = await import("../classifier.ts");
  return await loadClassifier();
}

/** Reads a body, and no more than `maxBytes` of it: Content-Length is not believed. */
async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body ?? []) {
    length += part.length;
    if (length > maxBytes) {
      throw new HttpProblem("body-too-large", `Expected at most ${maxBytes} bytes, found more`);
    }
    parts.push(part);
  }
  if (length === 0) {
    throw new HttpProblem("bad-request", "Expected an image file as the body, found no bytes");
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function about(): Response {
  return Response.json({
    name: "@edge/vgg16",
    version: VERSION,
    about: "Image classification. POST an image file to /classify.",
  });
}
