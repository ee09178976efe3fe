/** Models from every form in which a program holds one, and `fetch` for those of private stores. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { loadClassifier, type ModelSource } from "@edge/vgg16";
import { convert, openModel, pullModel } from "@edge/vgg16/convert";
import { CIFAR10_FILE } from "./support/cifar10.ts";

const FILE = CIFAR10_FILE;
const BYTES = await Deno.readFile(FILE);
const CHECKPOINT = new URL("fixtures/checkpoints/zip_d.pth", import.meta.url);

/** A store that gives its files to who has the key, and knows ranges. */
async function withStore(test: (origin: string, asked: Request[]) => Promise<void>): Promise<void> {
  const asked: Request[] = [];
  const quiet = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const server = Deno.serve(quiet, async (request) => {
    asked.push(request);
    if (request.headers.get("authorization") !== "Bearer key") {
      return new Response(null, { status: 403 });
    }
    const isModel = new URL(request.url).pathname.endsWith(".safetensors");
    const bytes = isModel ? BYTES : await Deno.readFile(CHECKPOINT);
    const begin = Number(/\d+/.exec(request.headers.get("range") ?? "")?.[0] ?? 0);
    const range = `bytes ${begin}-${bytes.length - 1}/${bytes.length}`;
    return new Response(bytes.subarray(begin), {
      status: begin > 0 ? 206 : 200,
      headers: { ...begin > 0 ? { "content-range": range } : {}, etag: '"1"' },
    });
  });
  try {
    await test(`http://127.0.0.1:${server.addr.port}`, asked);
  } finally {
    await server.shutdown();
  }
}

const headers = { authorization: "Bearer key" };

function fetchWithKey(request: Request): Promise<Response> {
  request.headers.set("authorization", headers.authorization);
  return fetch(request);
}

async function bytesOf(source: Exclude<ModelSource, { weights: unknown }>): Promise<number> {
  const model = await openModel(source);
  let count = 0;
  for await (const { data } of model.weights()) count += data.length;
  assertEquals(count, model.weightBytes);
  return count;
}

Deno.test("a model is opened from bytes, a buffer, a blob, a path, URLs and a request", async () => {
  const count = await bytesOf(BYTES);
  await withStore(async (origin) => {
    const request = new Request(`${origin}/m.safetensors?secret=1`, { headers });
    for (
      const source of [BYTES.buffer, new Blob([BYTES]), FILE, FILE.pathname, FILE.href, request]
    ) {
      assertEquals(await bytesOf(source), count);
    }
    await using classifier = await loadClassifier({ model: request, backend: "wasm", threads: 1 });
    assertEquals(classifier.info.classes[3].label, "cat");
  });
  const stopped = new Request("http://127.0.0.1:1/", {
    signal: AbortSignal.abort(new Error("no")),
  });
  await assertRejects(() => openModel(stopped), Error, "no");
  const post = new Request("http://127.0.0.1:1/", { method: "POST", body: "x" });
  await assertRejects(() => openModel(post), TypeError, "by GET: found POST");
});

Deno.test("`fetch` asks for the model, each time that a part of it is read", async () => {
  await withStore(async (origin, asked) => {
    const url = `${origin}/m.safetensors`;
    await assertRejects(() => openModel(url), Error, "403");
    const options = { fetch: fetchWithKey, backend: "wasm", threads: 1 } as const;
    await using _classifier = await loadClassifier({ model: url, ...options });
    const model = await openModel(url, { fetch: fetchWithKey });
    for await (const { data } of model.weights()) assert(data.length > 0);
    const [refused, ...others] = asked.map(({ headers }) => headers.get("authorization"));
    assertEquals([refused, others.length > 2, new Set(others).size], [null, true, 1]);
  });
});

Deno.test("a checkpoint is converted from a buffer, a blob and a request, and with `fetch`", async () => {
  const bytes = await Deno.readFile(CHECKPOINT);
  const { size } = await convert(bytes);
  await withStore(async (origin) => {
    const url = `${origin}/zip_d.pth`;
    const inputs = [bytes.buffer, new File([bytes], "zip_d.pth"), new Request(url, { headers })];
    for (const input of inputs) {
      assertEquals((await convert(input)).architecture, (await convert(bytes)).architecture);
    }
    const { sourceSha256, ...converted } = await convert(url, { fetch: fetchWithKey });
    assertEquals(sourceSha256, (await convert(bytes)).sourceSha256);
    assert(Math.abs(converted.size - size) < 4096); // Its name and provenance differ.
  });
});

Deno.test("pullModel() and loadClassifier() pull with `fetch`", async () => {
  const cacheDir = await Deno.makeTempDir();
  try {
    await withStore(async (origin) => {
      const entry = {
        id: "mine",
        title: "Mine",
        url: `${origin}/zip_d.pth`,
        format: "PyTorch",
        license: "MIT",
        preprocessing: "torch",
        labels: null,
      } as const;
      const options = { entry, cacheDir, unverified: true };
      await assertRejects(() => pullModel("mine", options), Error, "403");
      const path = await pullModel("mine", { ...options, fetch: fetchWithKey });
      assertEquals((await openModel(path)).id, "mine");
    });
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
});
