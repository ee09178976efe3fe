/** `Request -> Response`: the service as a web handler, without sockets. */

import { type HandlerOptions, Service } from "./server/service.ts";
import { readSettings } from "./server/settings.ts";

export type { HandlerOptions } from "./server/service.ts";

/**
 * Creates a handler for `Deno.serve`, or for whatever else calls `Request -> Response`.
 *
 * The model is loaded at the first request that needs it.
 *
 * @example
 * ```ts
 * import { createHandler } from "@edge/vgg16";
 *
 * const handler = createHandler({ maxBodyBytes: 1_000_000, logLevel: "off" });
 * const image = await Deno.readFile("tests/data/photos/cat.png");
 * const request = new Request("http://localhost/classify", { method: "POST", body: image });
 * const [best] = await (await handler(request)).json();
 * console.log(best.label); // cat
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function createHandler(
  options: HandlerOptions = {},
): (request: Request) => Promise<Response> {
  return new Service(options).fetch;
}

let shared: ((request: Request) => Promise<Response>) | undefined;

/**
 * A handler with options from the environment: `VGG16_MAX_BODY_BYTES` for `maxBodyBytes`, and so
 * on.
 *
 * The environment is read at the first request, so that importing this needs no permission.
 */
export async function handler(request: Request): Promise<Response> {
  shared ??= createHandler(readSettings());
  return await shared(request);
}
