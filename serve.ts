/**
 * The server.
 *
 * ```sh
 * deno serve --allow-env --allow-read=weights,lib serve.ts
 * deno run --allow-env --allow-read=weights,lib --allow-net=127.0.0.1:8000 serve.ts --port 8000
 * ```
 *
 * `deno serve` and `deno run` evaluate this module alike, and nothing tells them apart. So listening
 * here is asked for by `--port`. It ends more gently: `deno serve` closes its port as soon as the
 * signal comes.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { canListVariables, readSettings } from "./lib/http/environment.ts";
import { Service } from "./lib/http/service.ts";
import { type Settings, settingsFromFlags } from "./lib/http/settings.ts";
import { drainTogether } from "./lib/http/workers.ts";

const { port, host, ...flags } = import.meta.main ? readFlags() : {};
const service = startService(flags);

/** What `deno serve` runs; nothing if this module listens itself. */
const server: { fetch: (request: Request) => Promise<Response> } | undefined = port === undefined
  ? { fetch: service.fetch }
  : undefined;
export default server;

if (port !== undefined) listen(service, Number(port), host ?? "127.0.0.1");
else if (import.meta.main) onStop(service, () => drainTogether(service));

function readFlags(): Record<string, string> {
  const { _: operands, ...flags } = parseArgs(Deno.args, { string: ["port", "host"] });
  if (operands.length > 0) fail(`Expected flags such as --port 8000, found "${operands[0]}"`);
  return Object.fromEntries(Object.entries(flags).map(([name, value]) => [name, String(value)]));
}

function startService(flags: Record<string, string>): Service {
  let settings: Partial<Settings>;
  try {
    settings = { ...readSettings(), ...settingsFromFlags(flags) };
    const service = new Service(settings);
    if (!canListVariables()) {
      service.log.write("debug", "without --allow-env, typos in variables' names are not noticed");
    }
    service.warmUp().catch((error) => service.log.write("error", "load", { error: String(error) }));
    return service;
  } catch (error) {
    if (error instanceof RangeError) fail(error.message);
    throw error;
  }
}

function fail(message: string): never {
  console.error(`error: ${message}`);
  Deno.exit(2);
}

function listen(service: Service, port: number, hostname: string): void {
  const onListen = (address: Deno.NetAddr): void =>
    service.log.write("info", "listening", { hostname: address.hostname, port: address.port });
  const server = Deno.serve({ port, hostname, onListen }, service.fetch);
  onStop(service, async () => {
    // Closes the port, and resolves when every request that came through it is answered; but Deno
    // breaks off bodies that are arriving at that moment.
    await service.traffic.quiet();
    await server.shutdown();
  });
}

/**
 * On SIGTERM and SIGINT: not ready, wait, end what is under way, exit. A second signal exits at
 * once.
 */
function onStop(service: Service, end: () => Promise<void>): void {
  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) Deno.exit(130);
    stopping = true;
    service.drain();
    const { drainDelayMs, drainTimeoutMs } = service.settings;
    await delay(drainDelayMs);
    await Promise.race([end(), delay(drainTimeoutMs)]);
    service.log.write("info", "stopped", { unanswered: service.traffic.active });
    Deno.exit(service.traffic.active === 0 ? 0 : 1);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    try {
      Deno.addSignalListener(signal, stop);
    } catch {
      // Edge platforms have no signals.
    }
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
