/** What threads can reach: tried from within them, and held to the table of lib/threads/README.md. */

import { Worker } from "node:worker_threads";
import { assertEquals } from "@std/assert";
import { HAND_OVER } from "../../lib/threads/port.ts";
import { startThreads, Thread } from "../../lib/threads/thread.ts";
import { nodeWorker } from "../../lib/threads/worker.ts";
import type { Report } from "../support/reach.ts";

const ROOT = new URL("../../", import.meta.url);
const CODECS = [...Deno.readDirSync(new URL("lib/image/codecs", ROOT))]
  .filter(({ isFile }) => isFile).map(({ name }) => `lib/image/codecs/${name}`);
/** Each kind of thread: the module that it runs, and what that loads. Kernels run without one. */
const KINDS = {
  "decoders": ["lib/image/background_thread.ts", ...CODECS],
  "HDF5": ["lib/convert/formats/hdf5/hdf5_thread.ts"],
  "kernels": [],
};

const load = (path: string): string => `await import(${JSON.stringify(new URL(path, ROOT).href)});`;
/** Has a probe look round in a thread that has sent a message. It waits until it is listened to. */
const LOOK_ROUND = `import { parentPort, workerData } from "node:worker_threads";
  const { lookRound } = ${load("tests/support/reach.ts")}
  const report = await lookRound();
  Atomics.wait(workerData.given, 0, 0);
  parentPort.postMessage(report);`;

async function reportOf(thread: Thread, isAwaited: Int32Array): Promise<Report> {
  try {
    const report = thread.next<Report>();
    Atomics.store(isAwaited, 0, 1);
    Atomics.notify(isAwaited, 0);
    return await report;
  } finally {
    await thread.end();
  }
}

const reports = await Promise.all(
  Object.values(KINDS).map(async (modules) => {
    const given = new Int32Array(new SharedArrayBuffer(4));
    const begin = modules.length > 0
      ? HAND_OVER + modules.map(load).join("")
      : 'parentPort.postMessage("ready");';
    const [thread] = await startThreads(begin + LOOK_ROUND, [given]);
    return await reportOf(thread, given);
  }),
);

Deno.test("no thread reaches more than the documentation says", async () => {
  const rows = Object.keys(reports[0].ways).map((way) => {
    const cells = reports.map(({ ways }) => ways[way] ? "reached" : "–");
    return `| ${[way, ...cells].join(" | ")} |`;
  });
  const expected = [`| | ${Object.keys(KINDS).join(" | ")} |`, "|---|---|---|---|", ...rows];
  const page = await Deno.readTextFile(new URL("lib/threads/README.md", ROOT));
  assertEquals(page.match(/^\|.*\|$/gm), expected);
});

Deno.test("no object in a thread leads to a function that reaches out", () => {
  // Native ones, by their names; how each could be got back differs by runtime and library.
  const outward = new Set(
    `Function AsyncFunction GeneratorFunction AsyncGeneratorFunction eval fetch Worker WebSocket
    EventSource BroadcastChannel MessageChannel MessagePort postMessage close require process exit
    Command spawn open openSync readFile readFileSync readTextFile readTextFileSync writeFile
    writeFileSync connect listen serve dlopen request requestAdapter query prompt alert confirm
    setTimeout setInterval setImmediate structuredClone evalContext compileFunction`.split(/\s+/),
  );
  for (const { functions } of reports) {
    assertEquals(functions.filter((name) => outward.has(name)), []);
    assertEquals(functions.includes("charCodeAt"), true, "the walk found the language");
  }
});

Deno.test("all of it is found in a thread that nobody confined", async () => {
  const given = new Int32Array(new SharedArrayBuffer(4));
  const code =
    `import { parentPort as port } from "node:worker_threads"; port.postMessage("ready"); ${LOOK_ROUND}`;
  const address = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  const thread = new Thread(nodeWorker(new Worker(address, { workerData: { given } })));
  await thread.started({});
  const { ways, functions } = await reportOf(thread, given);
  assertEquals(Object.entries(ways).filter(([, isThere]) => !isThere), []);
  for (const name of ["Function", "AsyncFunction", "fetch", "Worker", "readFileSync", "dlopen"]) {
    assertEquals(functions.includes(name), true, name);
  }
});
