/**
 * A worker beside `classify` in one process, over the same pictures: pictures a second, from the line that says what
 * answers to the last answer.
 *
 *     deno run --allow-all bench/worker.ts [ROUNDS]
 *
 * Whoever feeds the worker needs 50 ms to read a picture, as from a store behind a network, and reads some at once; or
 * none, as from memory. What it can feed at most is printed, too.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { TextLineStream } from "@std/streams";
import { encodePng } from "../lib/image/codecs/encode_png.ts";
import { cropImage } from "../lib/image/resize.ts";
import { readImage } from "../lib/image/read.ts";
import { median } from "./measure.ts";

/** How long a picture takes to be read. */
const READ_MS = 50;
const [rounds = "5"] = Deno.args;

/** Pictures of one kind, and who looks at them. */
interface Work {
  readonly name: string;
  readonly model: readonly string[];
  readonly pictures: readonly Uint8Array[];
  readonly count: number;
}

const photos = new URL("../tests/data/photos/", import.meta.url);
const sheet = await readImage(new URL("../tests/fixtures/cifar10/sheet.png", import.meta.url));
const small = await Promise.all(Array.from({ length: 500 }, (_, n) => {
  const left = n % 50 * 32, top = Math.floor(n / 50) * 32;
  return encodePng(cropImage(sheet, { left, top, width: 32, height: 32 }));
}));
const large = ["boats.jpg", "cat.png", "coffee.png", "rocket.jpg"]
  .map((name) => Deno.readFileSync(new URL(name, photos)));

const WORKS: readonly Work[] = [
  {
    name: "vgg16-cifar10, PNG of 32x32",
    model: ["-m", "vgg16-cifar10"],
    pictures: small,
    count: 2000,
  },
  { name: "the default model, photos", model: [], pictures: large, count: 80 },
];

/** Runs a command, and gives how many pictures a second have a result. */
async function rateOf(
  args: readonly string[],
  count: number,
  feed?: (input: WritableStreamDefaultWriter<Uint8Array>) => Promise<void>,
): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", "cli.ts", ...args, "--backend", "wasm"],
    cwd: new URL("..", import.meta.url),
    ...{ stdin: feed === undefined ? "null" : "piped", stdout: "piped", stderr: "null" },
  }).spawn();
  let start = 0, lines = -1;
  const input = feed === undefined ? undefined : child.stdin.getWriter();
  let feeding: Promise<void> | undefined;
  const texts = child.stdout.pipeThrough(new TextDecoderStream() as ReadableWritablePair)
    .pipeThrough(new TextLineStream() as ReadableWritablePair);
  for await (const _ of texts) {
    if (++lines > 0) continue;
    start = performance.now();
    if (input !== undefined) feeding = feed!(input).then(() => input.close());
  }
  const seconds = (performance.now() - start) / 1000;
  await feeding;
  if (lines !== count) throw new Error(`${lines} of ${count} were answered`);
  await child.status;
  return count / seconds;
}

/** Sends pictures as frames, of which so many are read at once. */
function feeder({ pictures, count }: Work, atOnce: number) {
  return async (input: WritableStreamDefaultWriter<Uint8Array>): Promise<void> => {
    const encoder = new TextEncoder(), reading: Promise<Uint8Array>[] = [];
    const read = async (n: number): Promise<Uint8Array> => {
      if (atOnce < Infinity) await delay(READ_MS);
      return pictures[n % pictures.length]!;
    };
    for (let n = 0, next = 0; n < count; n++) {
      while (next < count && next < n + Math.min(atOnce, 64)) reading.push(read(next++));
      const picture = await reading.shift()!;
      const head = encoder.encode(JSON.stringify({ id: n, bytes: picture.length }) + "\n");
      const frame = new Uint8Array(head.length + picture.length);
      frame.set(head);
      frame.set(picture, head.length);
      await input.write(frame);
    }
  };
}

for (const work of WORKS) {
  const folder = await Deno.makeTempDir();
  try {
    for (let n = 0; n < work.count; n++) {
      const name = `${folder}/${`${n}`.padStart(5, "0")}.png`; // Nobody looks at the ending.
      await Deno.writeFile(name, work.pictures[n % work.pictures.length]!);
    }
    const { count, model } = work, classify = ["classify", ...model, "-k", "5", "--jsonl", folder];
    const ways = {
      "classify, files": () => rateOf(classify, count),
      "worker, from memory": () => rateOf(["worker", ...model], count, feeder(work, Infinity)),
      "worker, 16 at once of 50 ms": () => rateOf(["worker", ...model], count, feeder(work, 16)),
      "worker, 64 at once of 50 ms": () => rateOf(["worker", ...model], count, feeder(work, 64)),
    };
    const rates = new Map<string, number[]>();
    for (let round = 0; round < Number(rounds); round++) {
      for (const [name, rate] of Object.entries(ways)) {
        rates.set(name, [...rates.get(name) ?? [], await rate()]);
      }
    }
    const [first] = [...rates.values()];
    console.log(`${work.name}: ${count} pictures, median of ${rounds} rounds`);
    for (const [name, found] of rates) {
      const ratios = found.map((rate, n) => rate / first![n]!);
      const [, atOnce] = /(\d+) at once/.exec(name) ?? [];
      const most = atOnce === undefined ? "" : `, fed ${1000 / READ_MS * Number(atOnce)} at most`;
      console.log(
        `  ${name}: ${median(found).toFixed(0)} pictures/s, ${median(ratios).toFixed(2)}x${most}`,
      );
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
