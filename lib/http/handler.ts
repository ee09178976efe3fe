/** `Request -> Response`: the service as a web handler, without sockets. */

import { checkOptions } from "../options.ts";
import { HANDLER_OPTIONS } from "../options/service.ts";
import type { Connection, HandlerOptions, Service } from "./server/service.ts";
import { completeSettings, readSettings } from "./server/settings.ts";

export type { Connection, HandlerOptions } from "./server/service.ts";

/**
 * Creates a handler for `Deno.serve`, or for whatever else calls `Request -> Response`.
 *
 * Options are checked at once. The service is imported at the first request, and the model loaded at the
 * first one that needs it.
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
 * @throws {RangeError} If an option is unknown or out of range.
 */
export function createHandler(
  options: HandlerOptions = {},
): (request: Request, connection?: Connection) => Promise<Response> {
  checkOptions(HANDLER_OPTIONS, options);
  completeSettings(options);
  let service: Promise<Service> | undefined;
  return async (request, connection) => {
    service ??= start(options).catch((error) => {
      service = undefined; // It is imported again by the next request.
      throw error;
    });
    return await (await service).fetch(request, connection);
  };
}

/** Who only classifies does not load the service. */
async function start(options: HandlerOptions): Promise<Service> {
  const { Service } = await import("./server/service.ts");
  return new Service(options);
}

let shared: ReturnType<typeof createHandler> | undefined;

/**
 * A handler with options from the environment: `VGG16_MAX_BODY_BYTES` for `maxBodyBytes`, and so
 * on.
 *
 * The environment is read at the first request, so that importing this needs no permission.
 */
export async function handler(request: Request, connection?: Connection): Promise<Response> {
  shared ??= createHandler(readSettings());
  return await shared(request, connection);
}
