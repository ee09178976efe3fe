/**
 * Parts of a manifest beside `classify` of the same pictures in one process: from files, and from a server on loopback
 * that takes 50 ms for each. Whole processes, one thread, in turns.
 *
 *     deno run --allow-all bench/parts.ts [ROUNDS]
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { encodePng } from "../lib/image/codecs/encode_png.ts";

const CLI = fromFileUrl(new URL("../cli.ts", import.meta.url));
const DELAY_MS = 50;
const [rounds = "5"] = Deno.args;

/** What is classified. */
const SETS = [
  { model: "vgg16-cifar10", count: 2000, side: 32 },
  { model: "vgg16-tiny-imagenet", count: 600, side: 64 },
  { model: "vgg16-imagenet200", count: 120, side: 200 },
];

/** Seconds that a command takes. */
async function seconds(...args: string[]): Promise<number> {
  const start = performance.now();
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", CLI, ...args],
    stdout: "null",
  }).output();
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  return (performance.now() - start) / 1000;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1]!;

console.log("| model, pictures | `classify`, s | parts of files | parts at 50 ms a read |");
console.log("|---|---|---|---|");
for (const { model, count, side } of SETS) {
  const folder = await Deno.makeTempDir(), pictures = join(folder, "pictures");
  await Deno.mkdir(pictures);
  const names = Array.from({ length: count }, (_, n) => `${String(n).padStart(5, "0")}.png`);
  for (const [i, name] of names.entries()) {
    const data = new Uint8Array(3 * side * side).map((_, n) => (n * 7 + i * 13) % 256);
    await Deno.writeFile(
      join(pictures, name),
      await encodePng({ data, width: side, height: side }),
    );
  }
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async ({ url }) => {
    await new Promise((resolve) => setTimeout(resolve, DELAY_MS));
    return new Response(await Deno.readFile(join(pictures, new URL(url).pathname)));
  });
  const list = join(folder, "list.txt");
  await Deno.writeTextFile(
    list,
    names.map((name) => `http://127.0.0.1:${server.addr.port}/${name}`).join("\n"),
  );
  const [files, urls] = [join(folder, "files"), join(folder, "urls")];
  await seconds("manifest", pictures, "--out-dir", files);
  await seconds("manifest", list, "--out-dir", urls);
  const common = ["--model", model, "--threads", "1", "--backend", "wasm"];
  const alone: number[] = [], ratios: { ofFiles: number; ofUrls: number }[] = [];
  for (let round = 0; round < Number(rounds); round++) {
    const partsOf = (manifest: string) =>
      seconds("classify", "--manifest", manifest, "--out-dir", `${manifest}-${round}`, ...common);
    const one = await seconds("classify", pictures, "--jsonl", ...common);
    alone.push(one);
    ratios.push({ ofFiles: one / await partsOf(files), ofUrls: one / await partsOf(urls) });
  }
  const ofFiles = median(ratios.map(({ ofFiles }) => ofFiles));
  const ofUrls = median(ratios.map(({ ofUrls }) => ofUrls));
  console.log(
    `| ${model}, ${count} | ${median(alone).toFixed(1)} | ${ofFiles.toFixed(2)}x | ${
      ofUrls.toFixed(2)
    }x |`,
  );
  await server.shutdown();
  await Deno.remove(folder, { recursive: true });
}
