/**
 * The server.
 *
 * ```sh
 * deno serve --allow-env --allow-read=lib --host 127.0.0.1 serve.ts
 * deno run --allow-env --allow-read=lib --allow-net=127.0.0.1:8000 serve.ts --port 8000
 * ```
 *
 * `deno serve` and `deno run` evaluate this module alike. With `--port` or `--host` it listens itself,
 * and without them if nobody else does: see `listenIfIdle()`.
 *
 * @module
 */

import "./lib/entries/embedded.ts";
import "./lib/entries/whole.ts";
import { delay } from "@std/async/delay";
import { UsageError } from "./lib/cli/usage_error.ts";
import { HttpService, type Service } from "./lib/http/server/http_service.ts";
import {
  canListVariables,
  forgetSecrets,
  readSettings,
  type Settings,
} from "./lib/http/server/settings.ts";
import { drainTogether, shareAddress } from "./lib/http/server/workers.ts";
import type { Table, Values } from "./lib/options.ts";
import { IS_DENO } from "./lib/platform.ts";
import { LISTEN_OPTIONS, SETTINGS } from "./lib/options/service.ts";
import { publicText } from "./lib/public_url.ts";
import { visible } from "./lib/report/visible.ts";

const FLAGS = { ...LISTEN_OPTIONS, ...SETTINGS } satisfies Table;
/** How long `deno run` may take to see that there is nothing to do. */
const IDLE_MS = 100;
/** How long the model is not loaded again, at the least. */
const MIN_WAIT_MS = 1000;

if (import.meta.main && !IS_DENO) {
  throw new Error(
    "Only Deno runs this program: elsewhere give createHandler() of the package to your server",
  );
}
// Without arguments nothing parses any: a cold start has no time to spare.
const hasFlags = import.meta.main && Deno.args.length > 0;
const { port, host, ...flags }: Values<typeof FLAGS> = hasFlags ? await readFlags() : {};
const isAsked = port !== undefined || host !== undefined;
const service = createService(flags);
let isStopping = false;
/** Where `deno serve` listens, once that is known; empty for a Unix socket. */
let address: string | undefined;
let tellOthers = (): void => {};
/** Ends what is under way: together with the other workers of `deno serve`, or by `listen()`'s way. */
let end = () => drainTogether(service.traffic);

// A `fetch` of its own is what `deno serve` looks for. Who listens by itself has it from its class, and
// `deno run` does not ask whether `deno serve` was meant.
const own: PropertyDescriptorMap = isAsked
  ? {}
  : { fetch: { value: service.fetch }, onListen: { value: onListen } };
export type { Connection, Service } from "./lib/http/server/http_service.ts";

/** The service: what `deno serve` runs, and what other programs may mount. */
const server: Service = Object.defineProperties(service, own);
export default server;

// Until it is told otherwise: of the workers of `deno serve --parallel` one is told, and the others ask it.
if (import.meta.main) service.listensAt(LISTEN_OPTIONS.host.default);
if (import.meta.main) stopOnSignals();
if (isAsked) listen();
else if (import.meta.main) listenIfIdle();
else warmUp();

async function readFlags(): Promise<Values<typeof FLAGS>> {
  const { parseArguments } = await import("./lib/cli/arguments.ts");
  const { operands, options, isHelp } = orFail(() => parseArguments(Deno.args, FLAGS));
  if (isHelp) await showHelp();
  if (operands.length > 0) fail(`Expected flags such as --port 8000, found "${operands[0]}"`);
  return options;
}

async function showHelp(): Promise<never> {
  const { serviceHelp } = await import("./lib/cli/service_help.ts");
  console.log(serviceHelp(FLAGS).join("\n"));
  Deno.exit(0);
}

function createService(flags: Partial<Settings>): HttpService {
  const service = orFail(() => new HttpService({ ...readSettings(), ...flags }));
  if (!canListVariables()) {
    service.log.write("debug", "without --allow-env, typos in variables' names are not noticed");
  }
  return service;
}

/** Ends the program where a flag or a setting is wrong. */
function orFail<Value>(work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError || error instanceof UsageError) fail(error.message);
    throw error;
  }
}

function fail(message: string): never {
  console.error(`error: ${visible(publicText(message))}`);
  Deno.exit(2);
}

/**
 * Loads the model, until that succeeds: a service that is not ready gets no requests, so nobody else would
 * try again.
 */
async function warmUp(): Promise<void> {
  const isLoaded = await service.warmUp().then(() => true, () => false);
  if (!isLoaded) setTimeout(warmUp, Math.max(MIN_WAIT_MS, service.waitMs));
}

function onListen(listener: Deno.Addr): void {
  service.listens(listener);
  address = "hostname" in listener ? listener.hostname : "";
  tellOthers();
}

function learnAddress(found: string): void {
  address = found;
  service.listensAt(found);
}

/**
 * Listens if nothing keeps the process alive: under `deno run`, which says so by `beforeunload`. Under
 * `deno serve` there is a server by then. So nothing that is done here may keep the process alive.
 */
function listenIfIdle(): void {
  const timer = setTimeout(() => {
    warmUp();
    tellOthers = shareAddress(() => address, learnAddress);
  }, IDLE_MS);
  Deno.unrefTimer(timer);
  addEventListener("beforeunload", (event) => {
    if (isStopping) return; // `deno serve` has closed its server.
    event.preventDefault();
    clearTimeout(timer);
    listen();
  }, { once: true });
}

function listen(): void {
  forgetSecrets();
  const { port: usual, host: local } = LISTEN_OPTIONS;
  const wanted = { port: port ?? usual.default, hostname: host ?? local.default };
  try {
    const server = Deno.serve({ ...wanted, onListen: service.listens }, service.fetch);
    end = async () => {
      // Closes the port, and resolves when every request that came through it is answered; but Deno
      // breaks off bodies that are arriving at that moment.
      await service.traffic.quiet();
      await server.shutdown();
    };
  } catch (error) {
    const where = `${wanted.hostname}:${wanted.port}`;
    fail(`Cannot listen on ${where}: ${(error as Error).message}`);
  }
  warmUp();
}

function stopOnSignals(): void {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    try {
      Deno.addSignalListener(signal, stop);
    } catch {
      // Edge platforms have no signals.
    }
  }
}

/** Not ready, wait, end what is under way, exit. A second signal exits at once. */
async function stop(): Promise<void> {
  if (isStopping) Deno.exit(130);
  isStopping = true;
  service.drain();
  const { drainDelayMs, drainTimeoutMs } = service.settings;
  await delay(drainDelayMs);
  await Promise.race([end(), delay(drainTimeoutMs)]);
  service.log.write("info", "stopped", { unanswered: service.traffic.active });
  Deno.exit(service.traffic.active === 0 ? 0 : 1);
}
