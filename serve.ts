/**
 * The server, under `deno serve` and under `deno run`.
 *
 * ```sh
 * deno serve --allow-read --port 8000 serve.ts
 * deno run --allow-read --allow-net=127.0.0.1:8000 serve.ts --port 8000
 * ```
 *
 * Both modes evaluate this module alike and nothing tells them apart, so listening here is asked for: by
 * `--port`.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { handler } from "./lib/http/handler.ts";

const { port, host = "127.0.0.1" } = parseArgs(Deno.args, { string: ["port", "host"] });

if (import.meta.main && port !== undefined) {
  Deno.serve({ port: Number(port), hostname: String(host) }, handler);
}

/** What `deno serve` runs; nothing if this module listens itself. */
const server: { fetch: (request: Request) => Promise<Response> } | undefined = port === undefined
  ? { fetch: handler }
  : undefined;
export default server;
