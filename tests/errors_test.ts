import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { loadClassifier } from "../lib/classifier.ts";
import { convert } from "../lib/convert/convert.ts";
import { pullModel } from "../lib/convert/pull/pull.ts";
import {
  BackendUnavailableError,
  ERROR_CODES,
  type ErrorCode,
  ImageDecodeError,
  ImageTooLargeError,
  isVggError,
  retryAfterMs,
  VggError,
  WeightsDownloadError,
} from "../lib/errors.ts";
import { Hdf5File } from "../lib/convert/formats/hdf5/hdf5_file.ts";
import { BytesSource } from "../lib/io/byte_source.ts";
import { softmax } from "../lib/output/predictions.ts";
import { PROBLEMS } from "../lib/http/server/problems.ts";
import { readImage } from "../lib/image/read.ts";
import { HttpSource } from "../lib/io/http_source.ts";
import { openModel } from "../lib/model/file.ts";
import { encodeSafetensorsHeader } from "../lib/model/safetensors.ts";
import { resolveModel } from "../lib/open_model.ts";
import { OpenFile } from "../lib/platform.ts";
import { blocksOf } from "./support/markdown.ts";
import { honest, serveFlaky } from "./support/flaky_server.ts";
import { CIFAR10, CIFAR10_FILE } from "./support/cifar10.ts";

const CHECKPOINTS = new URL("fixtures/checkpoints/", import.meta.url);
const IMAGES = new URL("fixtures/images/files/", import.meta.url);
const EMBEDDED = CIFAR10_FILE;

async function errorOf(work: () => unknown): Promise<VggError> {
  const error = await assertRejects(async () => await work());
  assert(isVggError(error), `${error}`);
  return error;
}

/** Two layers of one name, which can be read in more than one way. */
function ambiguousCheckpoint(): Uint8Array {
  const tensors = ["conv.weight", "conv.kernel"]
    .map((name) => ({ name, dtype: "F32" as const, shape: [4, 3, 3, 3] }));
  const header = encodeSafetensorsHeader(tensors, {});
  const file = new Uint8Array(header.length + 2 * 4 * 4 * 27);
  file.set(header);
  return file;
}

async function changed(url: URL, at: number): Promise<Uint8Array> {
  const bytes = await Deno.readFile(url);
  bytes[at]! ^= 1;
  return bytes;
}

const photo = await Deno.readFile(new URL("420.jpg", IMAGES));
const text = new TextEncoder().encode("no picture at all");
const model = await Deno.readFile(EMBEDDED);
const header = new TextDecoder("latin1").decode(model.subarray(0, 20_000));
const hdf5 = await Deno.readFile(new URL("keras_d.h5", CHECKPOINTS));

/** What fails with each code, made to happen where a test can. */
const FAILURES: Readonly<Partial<Record<ErrorCode, readonly (() => unknown)[]>>> = {
  "image-damaged": [
    () => readImage(photo.subarray(0, 300)),
    () => readImage(photo.subarray(0, 300), { background: true }),
    () => readImage(new Uint8Array(0)),
  ],
  "image-format": [() => readImage(text)],
  "image-pixels": [() => readImage(photo, { maxPixels: 10 })],
  "image-bytes": [
    () => readImage(photo, { maxBytes: 10 }),
    () => readImage(new Blob([photo]), { maxBytes: 10 }),
  ],
  "image-fetch": [
    () => readImage("http://127.0.0.1:1/"),
    () => readImage(new Response("", { status: 503 })),
    () => readImage("http://[bad"),
    () => readImage("s3://bucket/cat.png"),
    () => readImage(photo.toBase64()),
  ],
  "image-not-found": [() => readImage("no/such.jpg"), () => readImage("tests")],
  "model-not-found": [
    () => resolveModel("vgg16-imagnet"),
    () => resolveModel("no/such.safetensors"),
    () => openModel(new URL("file:///no/such.safetensors")),
    () => pullModel("no-such-model"),
    () => convert("no/such.pth"),
  ],
  "model-format": [
    () => openModel(text),
    () => openModel(model.subarray(0, 5000)),
    () => openModel(new URL("timm_e.safetensors", CHECKPOINTS)),
    () => loadClassifier({ model: new URL(".", import.meta.url) }),
  ],
  "model-integrity": [
    async () => openModel(await changed(EMBEDDED, header.indexOf("automobile"))),
    async () => {
      const damaged = await openModel(await changed(EMBEDDED, model.length - 10));
      for await (const _piece of damaged.weights());
    },
  ],
  "offline": [() => resolveModel("http://127.0.0.1:1/model.safetensors", { offline: true })],
  "disposed": [
    async () => {
      const classifier = await loadClassifier({ model: CIFAR10, backend: "wasm", threads: 1 });
      await classifier[Symbol.asyncDispose]();
      await classifier.classify(photo);
    },
  ],
  "checkpoint-format": [
    async () => {
      const file = await Deno.readFile(new URL("timm_e.safetensors", CHECKPOINTS));
      await convert(file.subarray(0, file.length - 1));
    },
    async () => {
      const file = await Deno.readFile(new URL("zip_d.pth", CHECKPOINTS));
      await convert(file.subarray(0, file.length >> 1));
    },
  ],
  "checkpoint-unsupported": [
    () => convert(text),
    () => convert(new URL("malicious.pth", CHECKPOINTS)),
    () => convert(encodeSafetensorsHeader([], {})),
  ],
  "checkpoint-ambiguous": [() => convert(ambiguousCheckpoint())],
  "budget": [
    () => Hdf5File.open(new BytesSource(hdf5), { attributes: [], limitMs: 0 }),
  ],
  "scores-not-finite": [() => softmax([1, NaN, 2])],
};

for (const [code, failures] of Object.entries(FAILURES)) {
  Deno.test(`what fails with "${code}" says so, and whether a retry may help`, async () => {
    for (const fail of failures) {
      const error = await errorOf(fail);
      assertEquals(error.code, code, error.message);
      const { retryable } = ERROR_CODES[error.code];
      if (retryable !== "depends") assertEquals(error.retryable, retryable);
    }
  });
}

Deno.test({
  name: "a full disk is disk-full, with the file's name",
  ignore: Deno.build.os !== "linux", // Only Linux has a device that is always full.
  async fn() {
    using file = new OpenFile("/dev/full", "change");
    // deno-lint-ignore require-await -- errorOf() takes what is asynchronous
    const error = await errorOf(async () => file.write(0, new Uint8Array(4)));
    assertEquals([error.code, error.retryable], ["disk-full", false]);
    assert(error.message.includes("/dev/full"));
  },
});

Deno.test("a backend's error is retryable if its device may come back", () => {
  const lost = new BackendUnavailableError("backend-lost", "webgpu", "the device was lost");
  const gone = new BackendUnavailableError("backend-lost", "webgpu", "it did not come back", {
    retryable: false,
  });
  const missing = new BackendUnavailableError("backend-missing", "webgpu", "no adapter");
  assertEquals([lost, gone, missing].map(({ retryable }) => retryable), [true, false, false]);
});

Deno.test("what was fetched is on the error: URL, status, when to ask again", async () => {
  await using server = serveFlaky(({ path }) => ({
    status: Number(path.slice(1)),
    headers: { "retry-after": "7" },
    body: new Uint8Array(0),
  }));
  for (const [status, retryable] of [[403, false], [404, false], [429, true], [503, true]]) {
    const url = `${server.url}/${status}`;
    const error = await assertRejects(() => readImage(url), ImageDecodeError);
    assertEquals([error.code, error.status, error.url], ["image-fetch", status, url]);
    assertEquals([error.retryable, error.retryAfterMs], [retryable, 7000]);
  }
  for (const [status, code] of [[403, "model-fetch"], [404, "model-not-found"]] as const) {
    const url = `${server.url}/${status}`;
    const error = await assertRejects(() => openModel(url), WeightsDownloadError);
    assertEquals([error.code, error.status, error.url], [code, status, url]);
    assertEquals(error.retryable, false);
  }
  const busy = new WeightsDownloadError("busy", { url: server.url, status: 503 });
  const broken = new WeightsDownloadError("broken", { url: server.url });
  assertEquals([busy.retryable, broken.retryable], [true, true]);
});

Deno.test("a file of another size than published is no reason to retry", async () => {
  await using server = serveFlaky((request) => ({
    ...honest(new Uint8Array(100), request),
    headers: { "content-length": "100" },
  }));
  const source = await HttpSource.open(new URL(server.url));
  source.close();
  const cacheDir = await Deno.makeTempDir();
  try {
    const entry = {
      id: "small",
      title: "a small VGG",
      url: `${server.url}/small.bin`,
      format: "safetensors",
      size: 99,
      sha256: "0".repeat(64),
      preprocessing: "torch",
      labels: null,
      license: "MIT",
    } as const;
    const error = await errorOf(() => pullModel("small", { entry, cacheDir }));
    assertEquals([error.code, error.retryable], ["model-fetch", false]);
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
});

Deno.test("Retry-After is seconds or a date", () => {
  const after = (text: string) =>
    retryAfterMs(new Response(null, { headers: { "retry-after": text } }));
  assertEquals(after("120"), 120_000);
  assertEquals(after("Fri, 31 Dec 1999 23:59:59 GMT"), 0);
  assertEquals(after("soon"), undefined);
  assertEquals(retryAfterMs(new Response(null)), undefined);
  const inAnHour = after(new Date(Date.now() + 3_600_000).toUTCString())!;
  assert(inAnHour > 3_000_000 && inAnHour <= 3_600_000);
});

Deno.test("isVggError() knows the errors of another copy of the package", async () => {
  // A module is another one if its address is.
  const other: typeof import("../lib/errors.ts") = await import(
    new URL("../lib/errors.ts?another-copy", import.meta.url).href
  );
  const theirs: unknown = new other.ImageTooLargeError("too large", { width: 9, height: 9 });
  assert(!(theirs instanceof VggError) && theirs instanceof other.VggError);
  assert(isVggError(theirs) && isVggError(theirs, "image-pixels"));
  assert(!isVggError(theirs, "image-damaged"));
  assert(other.isVggError(new ImageTooLargeError("too large", { width: 9, height: 9 })));
});

Deno.test("isVggError() takes nothing else for one", () => {
  const alike = Object.assign(new Error("alike"), { code: "image-damaged", retryable: false });
  for (const value of [alike, new TypeError(), "image-damaged", null, undefined, {}, () => {}]) {
    assert(!isVggError(value), String(value));
  }
});

Deno.test("every class of an error is an Error with its own name", () => {
  const error = new ImageDecodeError("damaged", { format: "jpeg", cause: "a cause" });
  assertInstanceOf(error, VggError);
  assertInstanceOf(error, Error);
  assertEquals([error.name, error.cause, error.format], ["ImageDecodeError", "a cause", "jpeg"]);
  assertThrows(() => {
    throw error;
  }, ImageDecodeError);
});

Deno.test("docs/errors.md has the table of codes", async () => {
  const rows = Object.entries(ERROR_CODES).map(([code, { about, retryable, advice }]) => {
    const retry = { true: "yes", false: "no", depends: "depends" }[String(retryable)];
    const [status] = PROBLEMS[code as ErrorCode];
    return `| \`${code}\` | ${about}. | ${retry} | ${advice}. | ${status} |`;
  });
  const page = await Deno.readTextFile(new URL("../docs/errors.md", import.meta.url));
  assertEquals(
    page.split("\n").filter((line) => /^\| `[a-z]+(-[a-z]+)*` \|.*\d{3} \|$/.test(line)),
    rows,
  );
});

Deno.test("the example of docs/errors.md prints what it says", async () => {
  const page = await Deno.readTextFile(new URL("../docs/errors.md", import.meta.url));
  const { text } = blocksOf(page).find(({ kind }) => kind === "ts")!;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--check", text],
    cwd: new URL("..", import.meta.url),
  }).output();
  const printed = new TextDecoder().decode(stdout);
  assertEquals(printed, "drop\n", new TextDecoder().decode(stderr));
});
