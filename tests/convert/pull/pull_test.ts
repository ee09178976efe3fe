import {
  assert,
  assertEquals,
  assertExists,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import "../../../lib/entries/whole.ts";
import { concat } from "@std/bytes/concat";
import { createHash } from "node:crypto";
import { convert } from "../../../lib/convert/convert.ts";
import { verificationOf } from "../../../lib/convert/pull/entry.ts";
import { pullModel } from "../../../lib/convert/pull/pull.ts";
import {
  CheckpointFormatError,
  ModelNotFoundError,
  OfflineError,
  WeightsDownloadError,
  WeightsIntegrityError,
} from "../../../lib/errors.ts";
import { cachedModelPath } from "../../../lib/io/cache.ts";
import type { CatalogEntry } from "../../../lib/model/catalog.ts";
import { sha256 } from "../../../lib/model/integrity.ts";
import { openModel } from "../../../lib/model/file.ts";
import { resolveModel } from "../../../lib/open_model.ts";
import { modelLayers } from "../../support/float_forward.ts";
import { type FlakyServer, honest, type Reply, serveFlaky } from "../../support/flaky_server.ts";
import { CIFAR10_FILE } from "../../support/cifar10.ts";

const FIXTURES = new URL("../../fixtures/checkpoints/", import.meta.url);
const SAFETENSORS = await Deno.readFile(new URL("timm_e.safetensors", FIXTURES));
const PYTORCH = await Deno.readFile(new URL("zip_d.pth", FIXTURES));

async function entryFor(
  server: FlakyServer,
  file: Uint8Array<ArrayBuffer>,
  more: Partial<CatalogEntry> = {},
): Promise<CatalogEntry> {
  return {
    id: "small",
    title: "a small VGG",
    url: `${server.url}/models/small.bin`,
    format: "safetensors",
    sha256: await sha256(file),
    preprocessing: "torch",
    labels: null,
    license: "MIT",
    ...more,
  };
}

/** What a pull must give: the same as the conversion of the same bytes. */
async function expectedModel(file: Uint8Array, entry: CatalogEntry): Promise<Uint8Array> {
  const { url: source, license, accuracy } = entry;
  const provenance = { source, sourceVerifiedBy: verificationOf(entry), license, accuracy };
  return (await convert(file, { id: entry.id, preprocessing: "torch", provenance })).bytes;
}

async function withCache(use: (cacheDir: string) => Promise<void>): Promise<void> {
  const cacheDir = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await use(cacheDir);
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
}

async function filesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

async function assertPulls(
  server: FlakyServer,
  file: Uint8Array<ArrayBuffer>,
  more: Partial<CatalogEntry> = {},
): Promise<void> {
  await withCache(async (cacheDir) => {
    const entry = await entryFor(server, file, more);
    const path = await pullModel("small", { entry, cacheDir });
    assertEquals(await Deno.readFile(path), await expectedModel(file, entry));
    assertEquals(await filesIn(cacheDir), ["small.lock", "small.safetensors"]);
  });
}

Deno.test("pullModel() downloads once, and reports every byte", async () => {
  await using server = serveFlaky((request) => honest(SAFETENSORS, request));
  await withCache(async (cacheDir) => {
    const entry = await entryFor(server, SAFETENSORS);
    const progress: [number, number | undefined][] = [], files = new Set<string | undefined>();
    const path = await pullModel("small", {
      entry: { ...entry, url: `${entry.url}?sig=PRESIGNED` },
      cacheDir,
      onProgress: ({ stage, done, total, file }) => {
        if (stage !== "pull") return;
        progress.push([done, total]);
        files.add(file);
      },
    });
    assertEquals(files, new Set([entry.url]));
    assertEquals(await Deno.readFile(path), await expectedModel(SAFETENSORS, entry));
    assertEquals(progress.at(-1), [SAFETENSORS.length, SAFETENSORS.length]);
    assert(progress.every(([done], i) => i === 0 || done > progress[i - 1][0]));
    assertEquals(server.requests.length, 1);

    await pullModel("small", { entry, cacheDir });
    assertEquals(server.requests.length, 1, "what is in the cache is not downloaded again");
  });
});

Deno.test("pullModel() says what images an entry is for: red first, less the mean", async () => {
  const file = await Deno.readFile(new URL("d.npz", FIXTURES));
  await using server = serveFlaky((request) => honest(file, request));
  await withCache(async (cacheDir) => {
    const entry = await entryFor(server, file, { preprocessing: "mean", format: "numpy" });
    const pulled = await openModel(
      await Deno.readFile(await pullModel("small", { entry, cacheDir })),
    );
    // The reader knows it by the names, and says it is assumed.
    const converted = await openModel((await convert(file)).bytes);
    assertEquals(pulled.preprocessing, converted.preprocessing);
    assertEquals(pulled.preprocessing.mean, [123.68, 116.779, 103.939]);
    const [[first], [expected]] = [await modelLayers(pulled), await modelLayers(converted)];
    assertEquals(first!.weight, expected!.weight);
  });
});

Deno.test("pullModel() takes up a connection that is cut again and again", async () => {
  for (const file of [SAFETENSORS, PYTORCH]) {
    await using server = serveFlaky((request) => ({
      ...honest(file, request),
      cutAfter: 9001,
    }));
    await assertPulls(server, file);
    assert(server.requests.length >= file.length / 9001);
    // A connection may break before anything of it was read, and is then asked for from the start.
    const resumed = server.requests.filter(({ begin }) => begin > 0);
    assert(resumed.length > 0);
    for (const { headers } of resumed) assertEquals(headers.get("if-range"), '"v1"');
  }
});

Deno.test("pullModel() recovers where the server ignores ranges", async () => {
  await using server = serveFlaky((request, count) => ({
    ...honest(SAFETENSORS, { ...request, begin: 0 }),
    cutAfter: count === 0 ? 20_000 : undefined,
  }));
  await assertPulls(server, SAFETENSORS);
  assertEquals(server.requests.length, 2);
});

Deno.test("pullModel() begins again when the file changes on the server", async () => {
  const other = SAFETENSORS.map((byte, i) => i > 20_000 ? byte ^ 1 : byte);
  await using server = serveFlaky((request, count) =>
    count === 0
      ? { ...honest(other, request, '"v0"'), cutAfter: 15_000 }
      // If-Range names another version: the whole file comes.
      : honest(SAFETENSORS, { ...request, begin: 0 }, '"v1"')
  );
  await assertPulls(server, SAFETENSORS);
});

Deno.test("pullModel() waits and tries again on 503, as Retry-After says", async () => {
  await using server = serveFlaky((request, count) =>
    count < 2
      ? { status: 503, headers: { "retry-after": "0" }, body: new Uint8Array(0) }
      : honest(SAFETENSORS, request)
  );
  await assertPulls(server, SAFETENSORS);
  assertEquals(server.requests.length, 3);
});

Deno.test("pullModel() keeps nothing of a file with another hash", async () => {
  for (const file of [SAFETENSORS, PYTORCH]) {
    const wrong = file.slice();
    wrong[20_000] ^= 1;
    await using server = serveFlaky((request) => honest(wrong, request));
    await withCache(async (cacheDir) => {
      const entry = await entryFor(server, file);
      const error = await assertRejects(
        () => pullModel("small", { entry, cacheDir }),
        WeightsIntegrityError,
      );
      assertEquals(error.expected, entry.sha256);
      assertEquals(error.actual, await sha256(wrong));
      assertEquals(await filesIn(cacheDir), ["small.lock"]);
    });
  }
});

Deno.test("pullModel() accepts torchvision's prefix of a hash, and Keras' MD5", async () => {
  await using server = serveFlaky((request) => honest(PYTORCH, request));
  const prefix = (await sha256(PYTORCH)).slice(0, 8);
  await assertPulls(server, PYTORCH, { sha256: undefined, sha256Prefix: prefix });
  await withCache(async (cacheDir) => {
    const entry = await entryFor(server, PYTORCH, { sha256: undefined, md5: "0".repeat(32) });
    await assertRejects(() => pullModel("small", { entry, cacheDir }), WeightsIntegrityError);
  });
});

Deno.test("pullModel() gives up at once on 404, with the status", async () => {
  await using server = serveFlaky(() => ({ status: 404, headers: {}, body: new Uint8Array(0) }));
  await withCache(async (cacheDir) => {
    const entry = await entryFor(server, SAFETENSORS);
    const error = await assertRejects(
      () => pullModel("small", { entry, cacheDir }),
      WeightsDownloadError,
    );
    assertEquals([error.status, error.url], [404, entry.url]);
    assertEquals(server.requests.length, 1);
    assertEquals(await filesIn(cacheDir), ["small.lock"]);
  });
});

Deno.test("pullModel() gives up where a server promises more bytes than it has", async () => {
  await using server = serveFlaky((request) => {
    const reply = honest(SAFETENSORS, request);
    const length = String(SAFETENSORS.length + 1000 - request.begin);
    const range = `bytes ${request.begin}-${SAFETENSORS.length + 999}/${SAFETENSORS.length + 1000}`;
    return {
      ...reply,
      headers: { ...reply.headers, "content-length": length, "content-range": range },
    };
  });
  await withCache(async (cacheDir) => {
    const entry = await entryFor(server, SAFETENSORS);
    await assertRejects(
      () => pullModel("small", { entry, cacheDir }),
      WeightsDownloadError,
      `could not be read at byte ${SAFETENSORS.length} in 5 attempts`,
    );
  });
});

/** Sends a file as one chunk after the other, without saying how long it is. */
function unsized(file: Uint8Array, more: Record<string, string> = {}): Reply {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  for (let at = 0; at < file.length; at += 1 << 16) {
    const part = file.subarray(at, at + (1 << 16));
    parts.push(encoder.encode(`${part.length.toString(16)}\r\n`), part, encoder.encode("\r\n"));
  }
  const body = new Uint8Array([...concat(parts), ...encoder.encode("0\r\n\r\n")]);
  return { status: 200, headers: { "transfer-encoding": "chunked", ...more }, body };
}

async function gzipped(file: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([file]).stream().pipeThrough(new CompressionStream("gzip"));
  return await new Response(stream).bytes();
}

Deno.test("pullModel() holds the catalog's size while bytes arrive, whatever the server says", async () => {
  const size = 10_000;
  const zeros = new Uint8Array(1 << 24);
  const packed = await gzipped(zeros);
  assert(packed.length > size, "too much, whether a runtime decompresses it or not");
  const replies: Record<string, () => Reply> = {
    "of another length": () => honest(SAFETENSORS, { begin: 0 }),
    "without a length": () => unsized(zeros),
    "compressed": () => unsized(packed, { "content-encoding": "gzip" }),
    "compressed, with the length of that": () => ({
      status: 200,
      headers: { "content-encoding": "gzip", "content-length": `${packed.length}` },
      body: packed,
    }),
  };
  for (const [name, reply] of Object.entries(replies)) {
    await using server = serveFlaky(reply);
    await withCache(async (cacheDir) => {
      const entry = await entryFor(server, SAFETENSORS, { size });
      let most = 0;
      const onProgress = ({ done }: { done: number }): void => void (most = done);
      await assertRejects(
        () => pullModel("small", { entry, cacheDir, onProgress }),
        WeightsDownloadError,
        `${size} are expected`,
        name,
      );
      assert(most <= size, `${name}: ${most} bytes were written`);
      assertEquals(await filesIn(cacheDir), ["small.lock"], name);
      assertEquals(server.requests.length, 1, name);
    });
  }
});

Deno.test("pullModel() takes a file of the catalog's size from a server that does not say it", async () => {
  await using server = serveFlaky(() => unsized(SAFETENSORS));
  await assertPulls(server, SAFETENSORS, { size: SAFETENSORS.length });
  await assertPulls(server, SAFETENSORS);
});

Deno.test("pullModel() takes no checkpoint of which nothing is known, unless that is said", async () => {
  await using server = serveFlaky((request) => honest(SAFETENSORS, request));
  const warnings: string[] = [];
  const onWarning = (warning: string): void => void warnings.push(warning);
  await withCache(async (cacheDir) => {
    const entry = await entryFor(server, SAFETENSORS, { sha256: undefined });
    const options = { entry, cacheDir, onWarning };
    await assertRejects(() => pullModel("small", options), RangeError, "--unverified");
    assertEquals(server.requests.length, 0);
    const path = await pullModel("small", { ...options, unverified: true });
    assertEquals((await openModel(path)).provenance.sourceVerifiedBy, "nothing");
    await pullModel("small", { ...options, unverified: true });
  });
  assertEquals(warnings, [
    "small: no hash of it is published: nothing tells it from another file",
  ]);
  await assertRejects(() => pullModel("vgg16-frossard"), RangeError, "--unverified");
});

Deno.test("pullModel() says once, and in the file, that only a part of a hash or an MD5 is known", async () => {
  await using server = serveFlaky((request) => honest(SAFETENSORS, request));
  const prefix = { sha256Prefix: (await sha256(SAFETENSORS)).slice(0, 8) };
  const md5 = createHash("md5").update(SAFETENSORS).digest("hex");
  for (
    const [kind, hash, warning] of [
      ["sha256", {}, undefined],
      ["sha256Prefix", { sha256: undefined, ...prefix }, "only the beginning of its SHA-256"],
      ["md5", { sha256: undefined, md5 }, "only its MD5"],
    ] as const
  ) {
    await withCache(async (cacheDir) => {
      const entry = await entryFor(server, SAFETENSORS, hash);
      const warnings: string[] = [];
      const onWarning = (text: string): void => void warnings.push(text);
      const path = await pullModel("small", { entry, cacheDir, onWarning });
      assertEquals(warnings.length, warning === undefined ? 0 : 1);
      assertStringIncludes(warnings.join(), warning ?? "");
      const { sourceVerifiedBy, sourceSha256 } = (await openModel(path)).provenance;
      assertEquals([sourceVerifiedBy, sourceSha256], [kind, await sha256(SAFETENSORS)]);
    });
  }
});

Deno.test("a hash that is empty, too short or of another kind is refused, and so is what is no entry", async () => {
  await using server = serveFlaky((request) => honest(SAFETENSORS, request));
  await withCache(async (cacheDir) => {
    for (
      const wrong of [
        { sha256: "" },
        { sha256: "8a719046" },
        { sha256: "A".repeat(64) },
        { sha256: undefined, sha256Prefix: "" },
        { sha256: undefined, sha256Prefix: "8a7190" },
        { sha256: undefined, md5: "" },
        { sha256: undefined, md5: "0".repeat(64) },
        { size: -1 },
        { url: "ftp://robot:hunter2@host/model" },
        { license: undefined },
      ]
    ) {
      const entry = await entryFor(server, SAFETENSORS, wrong);
      const pulling = () => pullModel("small", { entry, cacheDir, unverified: true });
      const { message } = await assertRejects(pulling, RangeError, "atalog entry small");
      assert(!message.includes("hunter2"), message);
    }
    const entry = await entryFor(server, SAFETENSORS, { checksum: "0" } as Partial<CatalogEntry>);
    const pulling = () => pullModel("small", { entry, cacheDir, unverified: true });
    await assertRejects(pulling, RangeError, "no option entry.checksum: did you mean entry.");
  });
  assertEquals(server.requests.length, 0);
});

Deno.test("a mirror over plain http gives only what all of a SHA-256 verifies", async () => {
  await using server = serveFlaky((request) => honest(SAFETENSORS, request));
  const weak: Partial<CatalogEntry>[] = [
    { sha256: undefined },
    { sha256: undefined, md5: "0".repeat(32) },
    { sha256: undefined, sha256Prefix: "0".repeat(8) },
  ];
  await withCache(async (cacheDir) => {
    for (const hash of weak) {
      const entry = await entryFor(server, SAFETENSORS, hash);
      const options = { entry, cacheDir, unverified: true };
      for (
        const baseUrl of ["http://mirror.invalid", "http://localhost.invalid", "http://0.0.0.0"]
      ) {
        const pulling = () => pullModel("small", { ...options, baseUrl });
        await assertRejects(pulling, RangeError, "from a mirror over plain http");
      }
    }
  });
});

Deno.test({
  name: "what only a part of a hash verifies does not come from plain http after a redirect either",
  ignore: Deno.build.os === "windows", // which does not connect to 0.0.0.0
  async fn() {
    await using server = serveFlaky(({ path, begin }) => {
      const { port } = new URL(server.url);
      const location = `http://0.0.0.0:${port}/other?sig=PRESIGNED`;
      return path === "/other?sig=PRESIGNED"
        ? honest(SAFETENSORS, { begin })
        : { status: 302, headers: { location }, body: new Uint8Array(0) };
    });
    await withCache(async (cacheDir) => {
      const sha256Prefix = (await sha256(SAFETENSORS)).slice(0, 8);
      const entry = await entryFor(server, SAFETENSORS, { sha256: undefined, sha256Prefix });
      const pulling = () => pullModel("small", { entry, cacheDir });
      const error = await assertRejects(pulling, WeightsDownloadError, "over plain http");
      assert(!error.message.includes("PRESIGNED"), error.message);
    });
    await assertPulls(server, SAFETENSORS);
  },
});

Deno.test("a model's source is the catalog's URL, not the mirror's, and has no secrets", async () => {
  await using server = serveFlaky((request) => honest(SAFETENSORS, request));
  await withCache(async (cacheDir) => {
    const url = "https://robot:hunter2@weights.example/vgg/model.safetensors?v=PRESIGNED";
    const entry = await entryFor(server, SAFETENSORS, { url });
    const { port } = new URL(server.url);
    const baseUrl = `http://bob:secret@127.0.0.1:${port}/mirror/?token=GRANTED`;
    const path = await pullModel("small", { entry, cacheDir, baseUrl });
    assertEquals(
      server.requests[0].path,
      "/mirror/vgg/model.safetensors?token=GRANTED&v=PRESIGNED",
    );
    assertEquals(server.requests[0].headers.get("authorization"), `Basic ${btoa("bob:secret")}`);
    const { source } = (await openModel(path)).provenance;
    assertEquals(source, "https://weights.example/vgg/model.safetensors");
    const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
    assert(!/hunter2|secret@|PRESIGNED|GRANTED/.test(text));
  });
  for (
    const baseUrl of ["ftp://bob:secret@mirror", "//bob:secret@mirror", "http://bob:secret@:x"]
  ) {
    await withCache(async (cacheDir) => {
      const entry = await entryFor(server, SAFETENSORS);
      const pulling = () => pullModel("small", { entry, cacheDir, baseUrl });
      const { message } = await assertRejects(pulling, RangeError, "baseUrl must be");
      assert(!message.includes("secret"), message);
    });
  }
});

Deno.test("a pull reads what it has downloaded once to hash it, and once to convert it", async () => {
  await using server = serveFlaky((request) => honest(SAFETENSORS, request));
  const { readSync } = Deno.FsFile.prototype;
  let read = 0;
  Deno.FsFile.prototype.readSync = function (into) {
    const count = readSync.call(this, into);
    read += count ?? 0;
    return count;
  };
  try {
    await assertPulls(server, SAFETENSORS);
  } finally {
    Deno.FsFile.prototype.readSync = readSync;
  }
  assert(read > 1.5 * SAFETENSORS.length && read < 2.5 * SAFETENSORS.length, `${read} bytes`);
});

Deno.test("what a hash has verified is kept when it cannot be converted, anything else is not", async () => {
  const noModel = new TextEncoder().encode("no checkpoint of any kind");
  await using server = serveFlaky((request) =>
    request.begin < noModel.length
      ? honest(noModel, request)
      : { status: 416, headers: { etag: '"v1"' }, body: new Uint8Array(0) }
  );
  for (const isKept of [true, false]) {
    await withCache(async (cacheDir) => {
      const entry = await entryFor(server, noModel, isKept ? {} : { sha256: undefined });
      const pulling = () => pullModel("small", { entry, cacheDir, unverified: true });
      await assertRejects(pulling, CheckpointFormatError);
      const before = server.requests.length;
      await assertRejects(pulling, CheckpointFormatError);
      assertEquals(server.requests.slice(before).map(({ begin }) => begin), [
        isKept ? noModel.length : 0,
      ]);
      assertEquals((await filesIn(cacheDir)).includes("small.safetensors.part"), isKept);
    });
  }
});

Deno.test("a download that was aborted is taken up by the next pull", async () => {
  await using server = serveFlaky((request, count) => ({
    ...honest(PYTORCH, request),
    cutAfter: count === 0 ? 20_000 : undefined,
  }));
  await withCache(async (cacheDir) => {
    const entry = await entryFor(server, PYTORCH);
    const abort = new AbortController();
    await assertRejects(
      () =>
        pullModel("small", {
          entry,
          cacheDir,
          signal: abort.signal,
          onProgress: ({ done }) => done >= 20_000 && abort.abort(),
        }),
      DOMException,
    );
    assertEquals(await filesIn(cacheDir), [
      "small.lock",
      "small.safetensors.part",
      "small.safetensors.part.json",
    ]);
    const { size } = await Deno.stat(`${cachedModelPath("small", cacheDir)}.part`);
    const path = await pullModel("small", { entry, cacheDir });
    assert(size > 0);
    assertEquals(server.requests.at(-1)!.begin, size);
    assertEquals(await Deno.readFile(path), await expectedModel(PYTORCH, entry));
    assertEquals(await filesIn(cacheDir), ["small.lock", "small.safetensors"]);
  });
});

Deno.test("two pulls of the same model at once download it once", async () => {
  await using server = serveFlaky((request) => honest(SAFETENSORS, request));
  await withCache(async (cacheDir) => {
    const entry = await entryFor(server, SAFETENSORS);
    const pull = () => pullModel("small", { entry, cacheDir });
    const [path] = await Promise.all([pull(), pull(), pull()]);
    assertEquals(server.requests.length, 1);
    assertEquals(await Deno.readFile(path), await expectedModel(SAFETENSORS, entry));
  });
});

Deno.test("pullModel() asks a mirror for the same path", async () => {
  await using server = serveFlaky((request) => honest(SAFETENSORS, request));
  await withCache(async (cacheDir) => {
    const entry = await entryFor(server, SAFETENSORS, {
      url: "https://weights.example/vgg/model.safetensors?v=1",
    });
    await pullModel("small", { entry, cacheDir, baseUrl: `${server.url}/mirror/` });
    assertEquals(server.requests[0].path, "/mirror/vgg/model.safetensors?v=1");
  });
});

Deno.test("resolveModel() finds what is in the cache, and offline does not look further", async () => {
  await withCache(async (cacheDir) => {
    const options = { cacheDir, offline: true };
    await assertRejects(
      () => resolveModel("vgg16-imagenet", options),
      OfflineError,
      "Pull it",
    );
    await assertRejects(
      () => resolveModel(new URL("http://127.0.0.1:1/model.safetensors"), options),
      OfflineError,
      "offline",
    );
    await assertRejects(() => pullModel("vgg16-imagenet", options), OfflineError, "Pull it");
    const out = cachedModelPath("vgg16-imagenet", cacheDir);
    await convert(SAFETENSORS, { out, id: "vgg16-imagenet" });
    assertEquals(await pullModel("vgg16-imagenet", options), out);
    await assertRejects(
      () => pullModel("vgg16-imagenet", { ...options, force: true }),
      OfflineError,
    );
    assertEquals((await resolveModel("vgg16-imagenet", options)).id, "vgg16-imagenet");
    assertEquals((await resolveModel(undefined, options)).id, "vgg16-imagenet200");
    await assertRejects(
      () => resolveModel("vgg16-imagnet", options),
      ModelNotFoundError,
      "Did you mean vgg16-imagenet?",
    );
  });
});

Deno.test("openModel() streams a model from a URL whose connections are cut", async () => {
  const file = await Deno.readFile(
    CIFAR10_FILE,
  );
  await using server = serveFlaky((request) => ({ ...honest(file, request), cutAfter: 1_500_000 }));
  const model = await openModel(new URL(`${server.url}/model.safetensors`));
  let bytes = 0;
  for await (const { data } of model.weights()) bytes += data.length;
  assertEquals(bytes, model.weightBytes);
});

Deno.test("where the folder for models cannot be made, the error says what to set", async () => {
  const file = await Deno.makeTempFile();
  try {
    const error = await assertRejects(
      () => pullModel("vgg16-imagenet", { cacheDir: `${file}/models` }),
      Error,
      `Cannot make the folder ${file}/models for models: set VGG16_CACHE_DIR`,
    );
    assertExists(error.cause);
  } finally {
    await Deno.remove(file);
  }
});
