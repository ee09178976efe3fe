import { assert, assertEquals, assertRejects } from "@std/assert";
import { convert } from "../../../lib/convert/convert.ts";
import { pullModel } from "../../../lib/convert/pull/pull.ts";
import {
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
import { type FlakyServer, honest, serveFlaky } from "../../support/flaky_server.ts";

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
  const provenance = { source: entry.url, license: entry.license, accuracy: entry.accuracy };
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
    const progress: [number, number | undefined][] = [];
    const path = await pullModel("small", {
      entry,
      cacheDir,
      onProgress: ({ loaded, total }) => progress.push([loaded, total]),
    });
    assertEquals(await Deno.readFile(path), await expectedModel(SAFETENSORS, entry));
    assertEquals(progress.at(-1), [SAFETENSORS.length, SAFETENSORS.length]);
    assert(progress.every(([loaded], i) => i === 0 || loaded > progress[i - 1][0]));
    assertEquals(server.requests.length, 1);

    await pullModel("small", { entry, cacheDir });
    assertEquals(server.requests.length, 1, "what is in the cache is not downloaded again");
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

Deno.test("pullModel() refuses a file of another size than the catalog's", async () => {
  await using server = serveFlaky((request) => honest(SAFETENSORS, request));
  await withCache(async (cacheDir) => {
    const entry = await entryFor(server, SAFETENSORS, { size: 553_433_881 });
    await assertRejects(
      () => pullModel("small", { entry, cacheDir }),
      WeightsDownloadError,
      "553433881 are expected",
    );
  });
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
          onProgress: ({ loaded }) => loaded >= 20_000 && abort.abort(),
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
    assertEquals((await resolveModel(undefined, options)).id, "vgg16-cifar10");
    await assertRejects(
      () => resolveModel("vgg16-imagnet", options),
      ModelNotFoundError,
      "Did you mean vgg16-imagenet?",
    );
  });
});

Deno.test("openModel() streams a model from a URL whose connections are cut", async () => {
  const file = await Deno.readFile(
    new URL("../../../weights/vgg16-cifar10.safetensors", import.meta.url),
  );
  await using server = serveFlaky((request) => ({ ...honest(file, request), cutAfter: 1_500_000 }));
  const model = await openModel(new URL(`${server.url}/model.safetensors`));
  let bytes = 0;
  for await (const { data } of model.weights()) bytes += data.length;
  assertEquals(bytes, model.weightBytes);
});
