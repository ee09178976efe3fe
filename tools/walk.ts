/**
 * The way of one picture through `POST /classify`: `deno task walk` prints the modules of `lib/` in which
 * a function runs on the main thread between a request and its answer, with those functions. The model
 * is loaded by a request before. A decoding thread adds what it runs, `lib/image/background_thread.ts`.
 *
 * @module
 */

import { Session } from "node:inspector/promises";
import { createHandler } from "../mod.ts";

const ROOT = new URL("../", import.meta.url);
const image = await Deno.readFile(new URL("tests/data/photos/cat.png", ROOT));
const handler = createHandler({ logLevel: "off", backend: "wasm" });

async function classify(): Promise<void> {
  const response = await handler(
    new Request("http://localhost/classify", {
      method: "POST",
      body: image,
    }),
  );
  if (!response.ok) throw new Error(await response.text());
  await response.body?.cancel();
}

await classify();
const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
await session.post("Profiler.takePreciseCoverage"); // What has run so far does not count.
await classify();
const { result } = await session.post("Profiler.takePreciseCoverage");
const walked = result.flatMap(({ url, functions }) => {
  const ran = functions.filter(({ functionName, ranges: [range] }) =>
    functionName !== "" && range.count > 0
  );
  if (!url.startsWith(`${ROOT.href}lib/`) || ran.length === 0) return [];
  return [`${url.slice(ROOT.href.length)}  ${ran.map((f) => f.functionName).join(" ")}`];
});
console.log(walked.sort().join("\n"));
console.log(`${walked.length} modules`);
Deno.exit(0);
