/**
 * Load on the service, on loopback, with wrk: `deno task bench:http [--only PATTERN]`.
 *
 * Needs Debian's wrk, and for the peer Node with npm, which installs it below .cache/. Server, load
 * and peer share the machine's cores: compare within a run. What came out is in README.md beside
 * this file.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { prepareInput } from "../../lib/input/prepare.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { readImage } from "../../lib/image/read.ts";
import { resolveModel } from "../../lib/open_model.ts";
import {
  installPeer,
  type Load,
  makeLarge,
  MODEL,
  type Server,
  startOurs,
  startPeer,
  startRefusing,
  wrk,
} from "./servers.ts";

const PHOTO = "tests/data/photos/cat.png";
const SMALL = ".cache/bench/http/cat32.png", LARGE = ".cache/bench/http/cat12mp.jpg";
const SECONDS = 4, TURN_SECONDS = 2, ROUNDS = 3;

/** A photo at the network's size: its decoding costs nearly nothing, so that the network shows. */
async function makeSmall(): Promise<void> {
  const { preprocessing, architecture } = await resolveModel(MODEL);
  const data = prepareInput(await readImage(PHOTO), preprocessing, architecture.input);
  const { width, height } = architecture.input;
  await Deno.mkdir(".cache/bench/http", { recursive: true });
  await Deno.writeFile(SMALL, await encodePng({ data, width, height }));
}

function row(name: string, load: Load, note = ""): void {
  const { busy, other, broken, p50, p95, p99 } = load;
  const ms = (value: number): string => value.toFixed(1).padStart(7);
  const failures = busy + other + broken === 0
    ? ""
    : `  429: ${busy}, other: ${other}, broken: ${broken}`;
  console.log(
    `  ${name.padEnd(48)} ${rateOf(load).toFixed(0).padStart(5)}/s  ` +
      `p50 ${ms(p50)}  p95 ${ms(p95)}  p99 ${ms(p99)} ms${failures}  ${note}`,
  );
}

/** The servers take turns, so that what else the machine does disturbs all of them. */
async function throughput(
  file: string,
  what: string,
  connectionCounts: readonly number[] = [1, 8, 64],
): Promise<void> {
  await using servers = new AsyncDisposableStack();
  const queue = { VGG16_MAX_QUEUE: "256" };
  const started: (readonly [string, Server])[] = [
    ["deno run", servers.use(await startOurs("run", queue))],
    ["deno run, 2 threads", servers.use(await startOurs("run", { ...queue, VGG16_THREADS: "2" }))],
    ["deno serve --parallel", servers.use(await startOurs("parallel", queue))],
    ["Express, sharp, onnxruntime-node", servers.use(await startPeer())],
  ];
  console.log(`\nThroughput, ${what}: the median of ${ROUNDS} turns, and how many times Express's`);
  for (const [, server] of started) await wrk(server, 8, 1, file);
  for (const connections of connectionCounts) {
    const loads = started.map((): Load[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, [, server]] of started.entries()) {
        loads[i].push(await wrk(server, connections, TURN_SECONDS, file));
      }
    }
    const medians = loads.map(medianOf);
    const peer = rateOf(medians.at(-1)!);
    started.forEach(([name], i) => {
      const ratio = `${(rateOf(medians[i]) / peer).toFixed(1)}x`;
      row(`${name}, ${connections} connections`, medians[i], ratio);
    });
  }
}

function rateOf({ ok, seconds }: Load): number {
  return ok / seconds;
}

function medianOf(loads: readonly Load[]): Load {
  return loads.toSorted((a, b) => rateOf(a) - rateOf(b))[loads.length >> 1];
}

async function batching(): Promise<void> {
  console.log(
    "\nBatching, 32x32 PNG, 2 threads (with 1 connection: a lone request waits for nobody)",
  );
  for (const [maxBatch, delay] of [[1, 0], [16, 0], [16, 2]]) {
    const env = {
      VGG16_MAX_BATCH: `${maxBatch}`,
      VGG16_MAX_QUEUE_DELAY_MS: `${delay}`,
      VGG16_MAX_QUEUE: "256",
      VGG16_THREADS: "2",
    };
    await using server = await startOurs("run", env);
    await wrk(server, 8, 2, SMALL);
    for (const connections of [64, 1]) {
      row(
        `maxBatch ${maxBatch}, maxQueueDelayMs ${delay}, ${connections} connections`,
        await wrk(server, connections, SECONDS, SMALL),
      );
    }
    console.log(`    ${await server.batches()}`);
  }
}

/** The server on one core, what loads it on the other: what it costs is the server's alone. */
async function overload(): Promise<void> {
  console.log("\nOverload, 32x32 PNG, 16 places, server and load on a core each");
  await using server = await startOurs("run", { VGG16_MAX_QUEUE: "16" }, 0);
  await wrk(server, 8, 2, SMALL, 1);
  let answerMs = 0;
  for (let round = 0; round < 3; round++) {
    for (const connections of [16, 64]) {
      const before = await server.cpuMs();
      const probing = probe(server, SECONDS * 1000);
      const load = await wrk(server, connections, SECONDS, SMALL, 1);
      const cpuMs = await server.cpuMs() - before;
      if (connections === 16) answerMs = cpuMs / load.ok;
      const cost = connections === 16
        ? `${answerMs.toFixed(2)} ms of CPU an answer`
        : `${((cpuMs - load.ok * answerMs) / load.busy).toFixed(3)} ms of CPU a refusal`;
      row(
        `${connections} connections`,
        load,
        `${cost}; ${await server.residentMb()} MB; ${await probing}`,
      );
    }
  }
  await using refusing = await startRefusing(0);
  await wrk(refusing, 48, 1, SMALL, 1);
  const before = await refusing.cpuMs();
  const load = await wrk(refusing, 48, 2, SMALL, 1);
  const each = (await refusing.cpuMs() - before) / load.busy;
  console.log(`  a server that does nothing but refuse: ${each.toFixed(3)} ms of CPU a refusal`);
}

/** Asks once in a while, and says how long refusals took. */
async function probe({ url }: Server, durationMs: number): Promise<string> {
  const body = await Deno.readFile(SMALL);
  const end = performance.now() + durationMs;
  const times: number[] = [];
  while (performance.now() < end) {
    const started = performance.now();
    const response = await fetch(`${url}/classify`, { method: "POST", body });
    await response.body?.cancel();
    if (response.status === 429) times.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if (times.length === 0) return "";
  times.sort((a, b) => a - b);
  const at = (part: number): string => times[Math.floor(part * (times.length - 1))].toFixed(0);
  return `a client's refusals p50 ${at(0.5)}, p95 ${at(0.95)} ms`;
}

/** How long a health check waits while pictures of 12 megapixels are decoded. */
async function responsiveness(): Promise<void> {
  console.log("\nHealth checks while a JPEG of 12 megapixels is classified");
  await using server = await startOurs("run", {});
  const body = await Deno.readFile(LARGE);
  const classify = async (): Promise<void> => {
    await (await fetch(`${server.url}/classify`, { method: "POST", body })).bytes();
  };
  await classify();
  const worst: number[] = [];
  for (let round = 0; round < 9; round++) {
    let isOver = false, longest = 0;
    const classifying = classify().then(() => isOver = true);
    while (!isOver) {
      const started = performance.now();
      await (await fetch(`${server.url}/livez`)).bytes();
      longest = Math.max(longest, performance.now() - started);
    }
    await classifying;
    worst.push(longest);
  }
  worst.sort((a, b) => a - b);
  console.log(`  the longest of each time: median ${worst[4].toFixed(0)} ms`);
}

async function endurance(): Promise<void> {
  console.log("\nEndurance, 32x32 PNG, 8 connections, 30,000 requests and more");
  await using server = await startOurs("run", {});
  await wrk(server, 8, 5, SMALL);
  let answered = 0;
  const resident = [`${await server.residentMb()} MB after the first seconds`];
  while (answered < 30_000) {
    answered += (await wrk(server, 8, 10, SMALL)).ok;
    resident.push(`${await server.residentMb()} MB after ${answered} more`);
  }
  console.log(`  resident: ${resident.join(", ")}`);
}

const PARTS = {
  "throughput-small": () => throughput(SMALL, "32x32 PNG, 3 kB"),
  "throughput-photo": () => throughput(PHOTO, "451x300 PNG, 240 kB", [1, 64]),
  "throughput-large": () => throughput(LARGE, "4000x3000 JPEG", [1, 8]),
  batching,
  overload,
  responsiveness,
  endurance,
};
if (import.meta.main) {
  const { only = "" } = parseArgs({ options: { only: { type: "string" } } }).values;
  await makeSmall();
  await installPeer();
  await makeLarge(PHOTO, LARGE);
  for (const [name, part] of Object.entries(PARTS)) if (name.includes(only)) await part();
}
