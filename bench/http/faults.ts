/**
 * Faults under load, and what became of each request: `deno run --allow-all bench/http/faults.ts`.
 *
 * @module
 */

import { loadClassifier } from "../../lib/classifier.ts";
import { HttpService } from "../../lib/http/server/http_service.ts";
import { findAdapter } from "../../lib/engine/webgpu/device/adapter.ts";
import { startServer } from "../../tests/support/serve_process.ts";
import { breakable } from "../../tests/support/breakable_gpu.ts";
import { MODEL, type Server, startOurs } from "./servers.ts";

const PHOTO = await Deno.readFile(new URL("../../tests/data/photos/cat.png", import.meta.url));
const HEAD = "POST /classify HTTP/1.1\r\nhost: x\r\n";

interface Figures {
  sent: number;
  answered: number;
  lost: number;
}

function connect({ url }: Pick<Server, "url">): Promise<Deno.TcpConn> {
  const { hostname, port } = new URL(url);
  return Deno.connect({ hostname, port: Number(port) });
}

async function write(connection: Deno.Conn, data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Whether the photo is classified right, by a connection of its own. */
async function isRight({ url }: Pick<Server, "url">): Promise<boolean> {
  const response = await fetch(`${url}/classify`, { method: "POST", body: PHOTO });
  return (await response.text()).startsWith('[{"label":"cat"');
}

/** Good requests from four clients while something else goes on. */
async function during(server: Server, fault: () => Promise<void>): Promise<Figures> {
  const figures = { sent: 0, answered: 0, lost: 0 };
  let isOver = false;
  const clients = Array.from({ length: 4 }, async () => {
    do {
      figures.sent++;
      if (await isRight(server).catch(() => false)) figures.answered++;
      else figures.lost++;
    } while (!isOver);
  });
  await fault();
  isOver = true;
  await Promise.all(clients);
  return figures;
}

function times(count: number, action: () => Promise<void>): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, action));
}

/** Each closes its connection at a different moment of a request. */
async function disconnects(server: Server): Promise<void> {
  await times(200, async () => {
    using connection = await connect(server);
    await write(connection, `${HEAD}content-length: ${PHOTO.length}\r\n\r\n`);
    await write(connection, PHOTO);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
  });
}

async function halfBodies(server: Server): Promise<void> {
  await times(200, async () => {
    using connection = await connect(server);
    await write(connection, `${HEAD}content-length: ${PHOTO.length}\r\n\r\n`);
    await write(connection, PHOTO.subarray(0, 1000));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
  });
}

async function idleConnections(server: Server): Promise<void> {
  const open: Deno.TcpConn[] = [];
  for (let i = 0; i < 1000; i++) open.push(await connect(server));
  await new Promise((resolve) => setTimeout(resolve, 3000));
  console.log(`    ${await server.residentMb()} MB resident with 1,000 idle connections`);
  for (const connection of open) connection.close();
}

async function malformed({ url }: Server): Promise<void> {
  const bodies: [string, string][] = [
    ["--x\r\nbroken", "multipart/form-data; boundary=x"],
    ["{", "application/json"],
    ['{"inputs":5}', "application/json"],
    ["not an image", "image/png"],
  ];
  const statuses = new Map<number, number>();
  await times(100, async () => {
    for (const [body, type] of bodies) {
      const response = await fetch(`${url}/classify`, {
        method: "POST",
        body,
        headers: { "content-type": type },
      });
      await response.body?.cancel();
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    }
  });
  console.log(`    statuses: ${[...statuses].map(([s, n]) => `${s}: ${n}`).join(", ")}`);
}

/** Every third batch on a real device, or the software adapter, loses it. Through a socket. */
async function lostDevices(): Promise<Figures> {
  using gpu = breakable();
  await using classifier = await loadClassifier({ model: MODEL, backend: "webgpu" });
  const { flaky, losses, batches } = gpu.breakEvery(3, classifier);
  const service = new HttpService({ classifier: flaky, logLevel: "off", maxQueue: 512 });
  await using listening = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    service.fetch,
  );
  const server = { url: `http://127.0.0.1:${listening.addr.port}` };
  const figures = { sent: 0, answered: 0, lost: 0 };
  await times(8, async () => {
    for (let i = 0; i < 10; i++) {
      figures.sent++;
      if (await isRight(server).catch(() => false)) figures.answered++;
      else figures.lost++;
    }
  });
  console.log(`    ${losses()} of ${batches()} batches lost their device, ${flaky.info.device}`);
  return figures;
}

/** What became of requests when a server was told to stop under load. */
interface Drained {
  /** Written to a connection. */
  readonly sent: number;
  /** Broken off by Deno while their bodies arrived, by the service's log. */
  readonly brokenOff: number;
  /** Received whole. */
  readonly accepted: number;
  readonly answered: number;
  /** Accepted, and without an answer. */
  readonly lost: number;
}

/** Sixteen clients, each request on a connection of its own, until the port is closed. */
async function stopUnderLoad(mode: "run" | "serve" | "parallel"): Promise<Drained> {
  const server = await startServer(mode, {
    flags: mode === "run" ? ["--drain-delay-ms", "500"] : [],
  });
  const sent = new Set<string>(), answered = new Set<string>();
  let isStopping = false;
  const clients = Array.from({ length: 16 }, async (_, n) => {
    for (let i = 0; !isStopping || i === 0 || answered.has(`${n}-${i - 1}`); i++) {
      const id = `${n}-${i}`;
      if (await classifyRaw(server, id, sent).catch(() => false)) answered.add(id);
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  isStopping = true;
  await server.stop();
  await Promise.all(clients);
  const lines = server.lines.filter(({ message, path }) =>
    message === "request" && path === "/classify"
  );
  const brokenOff = lines.filter(({ problem }) => problem === "client-gone").length;
  const accepted = lines.length - brokenOff;
  const lost =
    lines.filter(({ requestId, problem }) =>
      problem !== "client-gone" && !answered.has(String(requestId))
    ).length;
  return { sent: sent.size, brokenOff, accepted, answered: answered.size, lost };
}

/** Sends the photo, and says whether the whole answer came. */
async function classifyRaw(
  server: Pick<Server, "url">,
  id: string,
  sent: Set<string>,
): Promise<boolean> {
  using connection = await connect(server);
  const length = `content-length: ${PHOTO.length}`;
  await write(connection, `${HEAD}connection: close\r\nx-request-id: ${id}\r\n${length}\r\n\r\n`);
  await write(connection, PHOTO);
  sent.add(id);
  const answer = await new Response(connection.readable).text();
  return answer.includes('"label":"cat"') && answer.trimEnd().endsWith("]");
}

function report(name: string, { sent, answered, lost }: Figures): void {
  console.log(`${name}: ${sent} good requests sent meanwhile, ${answered} answered, ${lost} lost`);
}

if (import.meta.main) {
  await using server = await startOurs("run", { VGG16_MAX_QUEUE: "512" });
  report("200 clients disconnect", await during(server, () => disconnects(server)));
  report("200 half-sent bodies", await during(server, () => halfBodies(server)));
  report("1,000 idle connections", await during(server, () => idleConnections(server)));
  report("400 malformed requests", await during(server, () => malformed(server)));
  if (await findAdapter() === undefined) console.log("devices lost: there is no adapter");
  else report("devices lost", await lostDevices());
  for (const mode of ["run", "serve", "parallel"] as const) {
    const { sent, brokenOff, accepted, answered, lost } = await stopUnderLoad(mode);
    console.log(
      `SIGTERM under load, deno ${mode}: ${sent} sent, ${brokenOff} broken off, ${accepted} accepted, ${answered} answered, ` +
        `${lost} lost`,
    );
  }
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  console.log(
    metrics.split("\n").filter((line) => /^vgg16_(errors_total|queue_images)/.test(line)).join(
      "\n",
    ),
  );
}
