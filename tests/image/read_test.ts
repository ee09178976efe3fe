/** Every form in which a program holds an image. */

import { assertEquals, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import { ImageDecodeError, ImageTooLargeError, OfflineError } from "../../lib/errors.ts";
import type { ImageInput, RawPixels } from "../../lib/image/image.ts";
import { readAll, readImage } from "../../lib/image/read.ts";

/** After which something is taken to never end: a slow machine is not to be the reason of it. */
const NEVER_MS = 60_000;

const URL_OF_FILE = new URL("../fixtures/images/files/type2-8bit.png", import.meta.url);
const PATH = URL_OF_FILE.pathname;
const BYTES = Deno.readFileSync(PATH);
const IMAGE = await readImage(BYTES);

/** Serves on loopback while `use` runs. */
async function serving(
  handler: (request: Request) => Response | Promise<Response>,
  use: (origin: string) => Promise<void>,
): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  try {
    await use(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

Deno.test("readImage() takes every kind of input", async () => {
  const base64 = btoa(String.fromCharCode(...BYTES));
  const inputs: Record<string, ImageInput> = {
    ArrayBuffer: BYTES.buffer,
    Blob: new Blob([BYTES]),
    ReadableStream: new Blob([BYTES]).stream(),
    Response: new Response(BYTES),
    "file URL": URL_OF_FILE,
    "file URL as a string": URL_OF_FILE.href,
    path: PATH,
    "data URL": `data:image/png;base64,${base64}`,
  };
  for (const [kind, input] of Object.entries(inputs)) {
    assertEquals(await readImage(input), IMAGE, kind);
  }
});

Deno.test("readImage() fetches a URL, and believes the bytes, not the media type", async () => {
  await serving(
    () => new Response(BYTES, { headers: { "content-type": "text/plain" } }),
    async (origin) => {
      assertEquals(await readImage(`${origin}/a.jpg`), IMAGE);
      assertEquals(await readImage(new URL(origin)), IMAGE);
    },
  );
});

Deno.test("readImage() refuses an address that does not answer with success", async () => {
  await serving(() => new Response("no", { status: 404 }), async (origin) => {
    await assertRejects(
      () => readImage(`${origin}/cat.jpg`),
      ImageDecodeError,
      `Cannot read ${origin}/cat.jpg: expected a successful status, found 404`,
    );
  });
  const unused = "http://127.0.0.1:9/"; // the port of the discard service, where nothing listens
  await assertRejects(() => readImage(unused), ImageDecodeError, `Cannot read ${unused}`);
});

Deno.test("an image that is on the network is refused offline, without the secrets of its address", async () => {
  const fetch = () => Promise.reject(new Error("asked"));
  const secret = "https://robot:hunter2@images.example/cat.jpg?sig=PRESIGNED#part";
  const error = await assertRejects(
    () => readImage(secret, { offline: true, fetch }),
    OfflineError,
    "https://images.example/cat.jpg is on the network",
  );
  assertEquals(error.url, "https://images.example/cat.jpg");
  // What is in the URL itself is not on the network.
  const data = "data:image/png;base64,AAAA";
  await assertRejects(() => readImage(data, { offline: true }), ImageDecodeError);
});

Deno.test("readImage() of a file that does not exist is NotFound, with its path", async () => {
  await assertRejects(() => readImage("no/such.jpg"), Deno.errors.NotFound, "no/such.jpg");
  await assertRejects(
    () => readImage(new URL("./none.jpg", import.meta.url)),
    Deno.errors.NotFound,
  );
});

Deno.test("readImage() reads no more than maxBytes, of a file as of a stream", async () => {
  const maxBytes = BYTES.length;
  const endless = () =>
    new ReadableStream<Uint8Array>({ pull: (to) => to.enqueue(new Uint8Array(1000)) });
  for (const input of [BYTES, PATH, new Blob([BYTES])]) {
    assertEquals(await readImage(input, { maxBytes }), IMAGE);
  }
  for (const input of [BYTES, PATH, new Blob([BYTES]), endless(), new Response(endless())]) {
    await assertRejects(
      () => readImage(input, { maxBytes: maxBytes - 1 }),
      ImageDecodeError,
      `at most ${maxBytes - 1} bytes`,
    );
  }
});

Deno.test("readImage() stops reading a stream when its signal says so", async () => {
  let canceled: unknown;
  const silent = new ReadableStream<Uint8Array>({ cancel: (reason) => void (canceled = reason) });
  const controller = new AbortController();
  const reading = readImage(silent, { signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  assertEquals(await assertRejects(() => reading), reason);
  assertEquals(canceled, reason);
});

Deno.test("readAll() reads nothing if its signal has aborted before", async () => {
  const reason = new Error("enough");
  const silent = new ReadableStream<Uint8Array>();
  const reading = readAll(silent, () => {}, AbortSignal.abort(reason));
  assertEquals(await Promise.race([reading.catch((error) => error), delay(NEVER_MS)]), reason);
});

Deno.test("readImage() does not wait for a stream that never says that it is canceled", async () => {
  const stuck = new ReadableStream<Uint8Array>({
    pull: (to) => to.enqueue(new Uint8Array(1000)),
    cancel: () => new Promise(() => {}),
  });
  const reading = readImage(stuck, { maxBytes: 1500 }).catch((error) => error.name);
  assertEquals(await Promise.race([reading, delay(NEVER_MS)]), "ImageDecodeError");
});

Deno.test("readImage() takes RGBA, RGB and gray pixels, and lays alpha over white", async () => {
  const size = { width: 2, height: 1 };
  const rgba = Uint8ClampedArray.of(10, 20, 30, 255, 0, 100, 255, 51);
  assertEquals([...(await readImage({ data: rgba, ...size })).data], [10, 20, 30, 204, 224, 255]);
  const rgb = Uint8Array.of(1, 2, 3, 4, 5, 6);
  assertEquals([...(await readImage({ data: rgb, ...size })).data], [1, 2, 3, 4, 5, 6]);
  const gray = Uint8Array.of(7, 8);
  assertEquals([...(await readImage({ data: gray, ...size })).data], [7, 7, 7, 8, 8, 8]);
});

Deno.test("readImage() refuses raw pixels that do not fit their width and height", async () => {
  const data = new Uint8Array(12);
  const wrong: [RawPixels, string][] = [
    [{ data, width: 3, height: 3 }, "3x3 pixels of 1, 3 or 4 bytes, found 12 bytes"],
    [{ data, width: 6, height: 1 }, "6x1"], // two channels
    [{ data, width: 0, height: 4 }, "found 0x4"],
    [{ data, width: 1.5, height: 2 }, "found 1.5x2"],
    [{ data, width: -2, height: -2 }, "found -2x-2"],
    [{ data, width: NaN, height: 1 }, "found NaNx1"],
  ];
  for (const [input, message] of wrong) {
    await assertRejects(() => readImage(input), RangeError, message);
  }
  await assertRejects(
    () => readImage({ data, width: 2, height: 2 }, { maxPixels: 3 }),
    ImageTooLargeError,
  );
});

Deno.test("readImage() refuses values that are no image", async () => {
  const values: unknown[] = [42, null, undefined, {}, [1, 2], new Float32Array(4)];
  for (const value of values) {
    await assertRejects(() => readImage(value as ImageInput), TypeError, "Expected an image as");
  }
  const floats = { data: new Float32Array(12), width: 2, height: 2 };
  await assertRejects(() => readImage(floats as unknown as RawPixels), TypeError, "Uint8Array");
});

Deno.test("reading needs the permission to read the file, and decoding none", async () => {
  const names = ["420.jpg", "type2-8bit.png", "plain.gif", "lossy.webp", "420.avif", "lzw.tif"];
  const folder = new URL(".", URL_OF_FILE).pathname;
  const script = new URL("../fixtures/images/decode_files.ts", import.meta.url).pathname;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", `--allow-read=${folder}`, script, ...names.map((n) => folder + n)],
  }).output();
  assertEquals(new TextDecoder().decode(stderr), "");
  assertEquals(new TextDecoder().decode(stdout), names.map((name) => `${name} 45x31\n`).join(""));
});

Deno.test("a text that begins as a URL of another scheme, and names no file, is refused as one", async () => {
  for (const [text, found] of [["s3://bucket/key", "s3://"], ["blob:null/1", "blob:"]] as const) {
    await assertRejects(() => readImage(text), TypeError, `begins with ${found},`);
  }
  const refused = () => readImage("s3://bucket/key", { sources: ["http"] });
  await assertRejects(refused, ImageDecodeError, "found a path");
  await assertRejects(() => readImage("c:no.png"), Deno.errors.NotFound);
});

Deno.test("an image in base64 is refused with how to write it, whatever format it is of", async () => {
  for (const bytes of [BYTES, new Uint8Array(1000), new Uint8Array(100_000).fill(255)]) {
    for (const text of [bytes.toBase64(), bytes.toBase64({ alphabet: "base64url" })]) {
      const hint = "data:image/jpeg;base64,";
      await assertRejects(() => readImage(text), TypeError, hint);
      // What `sources` excludes is the text's fault, which may be a stranger's, not the program's.
      await assertRejects(() => readImage(text, { sources: ["data"] }), ImageDecodeError, hint);
    }
  }
  await assertRejects(() => readImage("photos/of/a/cat"), Deno.errors.NotFound);
  // A long path without an ending is one as long as it leads somewhere.
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/${"a".repeat(80)}`;
    await Deno.writeFile(path, BYTES);
    assertEquals(await readImage(path), IMAGE);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("`sources` says what a text may name, and nothing else is looked at", async () => {
  let asked = 0;
  const data = `data:image/png;base64,${BYTES.toBase64()}`;
  await serving(() => {
    asked++;
    return new Response(BYTES);
  }, async (origin) => {
    const named = { file: PATH, http: `${origin}/a.png`, data } as const;
    for (const [source, text] of Object.entries(named)) {
      for (const input of source === "file" ? [text, URL_OF_FILE] : [text, new URL(text)]) {
        for (const allowed of ["file", "http", "data"] as const) {
          const reading = readImage(input, { sources: [allowed] });
          if (allowed === source) {
            assertEquals(await reading, IMAGE);
            continue;
          }
          const error = await assertRejects(() => reading, ImageDecodeError, `sources ${allowed}:`);
          assertEquals([error.code, error.retryable], ["image-fetch", false]);
        }
      }
    }
    assertEquals(asked, 2);
  });
  // What a program holds is its own.
  assertEquals(await readImage(BYTES, { sources: ["http"] }), IMAGE);
});

Deno.test("`fetch` asks servers, with headers of its own", async () => {
  const isKnown = (request: Request) => request.headers.get("authorization") === "Bearer key";
  const answer = (request: Request) =>
    isKnown(request) ? new Response(BYTES) : new Response(null, { status: 401 });
  await serving(answer, async (origin) => {
    const fetchWithKey = (request: Request) => {
      request.headers.set("authorization", "Bearer key");
      return fetch(request);
    };
    assertEquals(await readImage(origin, { fetch: fetchWithKey }), IMAGE);
    const error = await assertRejects(() => readImage(origin), ImageDecodeError);
    assertEquals(error.status, 401);
  });
});

Deno.test("readImage() refuses unknown options by the nearest name", async () => {
  const options = { maxPixel: 1, maxPixels: 1_000_000 };
  await assertRejects(() => readImage(BYTES, options), RangeError, "did you mean maxPixels?");
});
