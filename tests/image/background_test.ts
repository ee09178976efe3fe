/** Decoding on other threads: when, how many, and where there are none. */

import { Worker } from "node:worker_threads";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { isVggError } from "../../lib/errors.ts";
import { crc32 } from "../../lib/image/codecs/codec.ts";
import { decodeImage } from "../../lib/image/decode.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { MAX_DECODERS } from "../../lib/image/image.ts";

const FILES = new URL("../fixtures/images/files/", import.meta.url);
const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** What a program prints, as JSON, or why it failed. */
async function printed(flags: readonly string[], ...program: string[]): Promise<unknown> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-check",
      "--no-lock",
      "--config=deno.json",
      ...flags,
      ...program,
    ],
    cwd: ROOT,
  }).output();
  const text = new TextDecoder().decode(stdout);
  return text === "" ? new TextDecoder().decode(stderr) : JSON.parse(text);
}

/** What decoding_threads.ts prints: a checksum, and whether there are more threads than before. */
function decodeApart(
  fromPixels: number,
  permissions: readonly string[],
  root = ".",
): Promise<unknown> {
  return printed(permissions, `${root}/tests/support/decoding_threads.ts`, `${fromPixels}`);
}

const sum = crc32((await decodeImage(await Deno.readFile(new URL("420.jpg", FILES)))).data);

Deno.test({
  name: "images of so many pixels are decoded on another thread, smaller ones on this",
  ignore: Deno.build.os !== "linux", // It counts threads in /proc.
  fn: async () => {
    assertEquals(await decodeApart(45 * 31, ["--allow-all"]), [sum, true]);
    assertEquals(await decodeApart(45 * 31 + 1, ["--allow-all"]), [sum, false]);
  },
});

/** Permissions that allow no thread that decodes. */
const NO_THREADS = ["--allow-read", "--deny-read=lib/image/background_thread.ts"];

Deno.test("where no thread can be started, images are decoded on this one", async () => {
  assertEquals(await decodeApart(1, NO_THREADS), [sum, false]);
});

Deno.test({
  name: "a package that came over the network decodes on another thread, too",
  ignore: Deno.build.os !== "linux", // It counts threads in /proc.
  fn: async () => {
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        const file = await Deno.open(`${ROOT}${new URL(request.url).pathname}`);
        const type = request.url.endsWith(".jpg") ? "image/jpeg" : "application/typescript";
        return new Response(file.readable, { headers: { "content-type": type } });
      },
    );
    const root = `http://127.0.0.1:${server.addr.port}`;
    // What another test's server had at this port is not to be known any more.
    const flags = ["--allow-all", `--reload=${root}`];
    assertEquals(await decodeApart(1, flags, root), [sum, true]);
  },
});

Deno.test("more images than threads, and one that is given up, are decoded in turn", async () => {
  const width = 64, height = 48;
  const images = Array.from({ length: 3 * MAX_DECODERS }, (_, n) => new Uint8Array(9216).fill(n));
  const files = await Promise.all(images.map((data) => encodePng({ data, width, height })));
  const client = new AbortController();
  const decoding = files.map((bytes, n) =>
    decodeImage(bytes, { background: true, signal: n === 0 ? client.signal : undefined })
  );
  client.abort(new Error("left"));
  const [given, ...others] = await Promise.allSettled(decoding);
  assertEquals(given.status, "rejected");
  assertEquals(
    others.map((other) => other.status === "fulfilled" && other.value.data),
    images.slice(1),
  );
});

Deno.test("of many small images that are decoded here, only a few go between two turns of the event loop", async () => {
  const bytes = await Deno.readFile(new URL("24bit.bmp", FILES));
  await decodeImage(bytes); // Its codec is loaded.
  let turns = 0, isDone = false;
  const turn = (): void => {
    turns++;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const images = 10 * MAX_DECODERS;
  const decoding = Array.from({ length: images }, () => decodeImage(bytes, { background: 1e9 }));
  await Promise.all(decoding);
  isDone = true;
  assert(turns >= images / MAX_DECODERS - 1, `${turns} turns for ${images} images`);
});

Deno.test("where no thread can be started, no more images are decoded at once either", async () => {
  const most = await printed(NO_THREADS, "tests/support/decoding_at_once.ts");
  assertEquals(most, MAX_DECODERS);
});

Deno.test("every file decodes on a thread as on this one", async () => {
  for await (const { name } of Deno.readDir(FILES)) {
    const bytes = await Deno.readFile(new URL(name, FILES));
    const decode = (background: boolean): Promise<unknown> =>
      decodeImage(bytes, { background }).catch(({ message, code, format }) => ({
        message,
        code,
        format,
      }));
    assertEquals(await decode(true), await decode(false), name);
  }
});

Deno.test("a thread that dies while it decodes is no fault of the image", async () => {
  const bytes = await Deno.readFile(new URL("420.jpg", FILES));
  const { postMessage } = Worker.prototype;
  // It ends each thread that it is told to send to.
  Worker.prototype.postMessage = function () {
    this.terminate();
  };
  try {
    const error = await assertRejects(() => decodeImage(bytes, { background: true }));
    assert(isVggError(error, "backend-lost") && error.retryable, `${error}`);
  } finally {
    Worker.prototype.postMessage = postMessage;
  }
  assertEquals(crc32((await decodeImage(bytes, { background: true })).data), sum);
});
