/**
 * Load on the service, on loopback, with wrk: `deno task bench:http [--only PATTERN]`.
 *
 * Needs Debian's wrk, and for the peer Node with npm, which installs it below .cache/. Server, load
 * and peer share the machine's cores: compare within a run. What came out is in README.md beside
 * this file.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { prepareInput } from "../../lib/image/prepare.ts";
import { encodePng } from "../../lib/image/encode_png.ts";
import { readImage } from "../../lib/image/read.ts";
import { resolveModel } from "../../lib/convert/resolve.ts";
import { type Load, residentMb, type Server, startOurs, startPeer, wrk } from "./servers.ts";

const PHOTO = "tests/data/photos/cat.png", SMALL = ".cache/bench/http/cat32.png";
const SECONDS = 6, TURN_SECONDS = 3, ROUNDS = 3, CONNECTIONS = [1, 8, 64];

/** A photo at the network's size: its decoding costs nearly nothing, so that the network shows. */
async function makeSmall(): Promise<void> {
  const { preprocessing, architecture } = await resolveModel(undefined);
  const data = prepareInput(await readImage(PHOTO), preprocessing, architecture.input);
  const { width, height } = architecture.input;
  await Deno.mkdir(".cache/bench/http", { recursive: true });
  await Deno.writeFile(SMALL, await encodePng({ data, width, height }));
}

function row(name: string, { seconds, ok, busy, other, broken, p50, p95, p99 }: Load): void {
  const ms = (value: number): string => value.toFixed(1).padStart(7);
  const failures = busy + other + broken === 0
    ? ""
    : `  429: ${busy}, other: ${other}, broken: ${broken}`;
  console.log(
    `  ${name.padEnd(46)} ${(ok / seconds).toFixed(0).padStart(6)}/s  p50 ${ms(p50)}  p95 ${
      ms(p95)
    }  p99 ${ms(p99)} ms${failures}`,
  );
}

/** The servers take turns, so that what else the machine does disturbs all of them. */
async function throughput(file: string, what: string): Promise<void> {
  await using servers = new AsyncDisposableStack();
  const queue = { VGG16_MAX_QUEUE: "256" };
  const started: (readonly [string, Server])[] = [
    ["ours, deno run", servers.use(await startOurs("run", queue))],
    [
      "ours, deno run, 2 threads",
      servers.use(await startOurs("run", { ...queue, VGG16_THREADS: "2" })),
    ],
    ["ours, deno serve --parallel", servers.use(await startOurs("parallel", queue))],
    ["Express, sharp, onnxruntime-node", servers.use(await startPeer())],
  ];
  console.log(`\nThroughput, ${what}: the median of ${ROUNDS} turns`);
  for (const [, server] of started) await wrk(server, 8, 2, file);
  for (const connections of CONNECTIONS) {
    const loads = started.map((): Load[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, [, server]] of started.entries()) {
        loads[i].push(await wrk(server, connections, TURN_SECONDS, file));
      }
    }
    started.forEach(([name], i) => row(`${name}, ${connections} connections`, medianOf(loads[i])));
  }
}

function medianOf(loads: readonly Load[]): Load {
  return loads.toSorted((a, b) => a.ok / a.seconds - b.ok / b.seconds)[loads.length >> 1];
}

async function batching(): Promise<void> {
  console.log(
    "\nBatching, 32x32 PNG, 2 threads (with 1 connection: a lone request waits for nobody)",
  );
  for (const [maxBatch, delay] of [[1, 0], [16, 0], [16, 2], [64, 5]]) {
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

async function overload(): Promise<void> {
  console.log("\nOverload, 32x32 PNG: 4 times as many connections as places");
  await using server = await startOurs("run", { VGG16_MAX_QUEUE: "16" });
  await wrk(server, 8, 2, SMALL);
  const before = await residentMb(server);
  row("16 connections, 16 places", await wrk(server, 16, SECONDS, SMALL));
  row("64 connections, 16 places", await wrk(server, 64, SECONDS, SMALL));
  row("64 connections, 16 places, again", await wrk(server, 64, SECONDS, SMALL));
  console.log(`  ${await server.refusals()}`);
  console.log(`  resident: ${before} MB before, ${await residentMb(server)} MB after`);
}

async function endurance(): Promise<void> {
  console.log("\nEndurance, 32x32 PNG, 8 connections, 30,000 requests and more");
  await using server = await startOurs("run", {});
  await wrk(server, 8, 5, SMALL);
  let answered = 0;
  console.log(`  resident: ${await residentMb(server)} MB after the first seconds`);
  while (answered < 30_000) {
    const load = await wrk(server, 8, 15, SMALL);
    answered += load.ok;
    console.log(`  resident: ${await residentMb(server)} MB after ${answered} more requests`);
  }
}

const PARTS = {
  "throughput-small": () => throughput(SMALL, "32x32 PNG, 3 kB"),
  "throughput-photo": () => throughput(PHOTO, "451x300 PNG, 240 kB"),
  batching,
  overload,
  endurance,
};
if (import.meta.main) {
  const { only = "" } = parseArgs(Deno.args, { string: ["only"] });
  await makeSmall();
  for (const [name, part] of Object.entries(PARTS)) if (name.includes(String(only))) await part();
}
