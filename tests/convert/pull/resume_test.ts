import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { convert } from "../../../lib/convert/convert.ts";
import { pullModel } from "../../../lib/convert/pull/pull.ts";
import { cachedModelPath } from "../../../lib/io/cache.ts";
import type { CatalogEntry } from "../../../lib/model/catalog.ts";
import { sha256 } from "../../../lib/model/integrity.ts";
import { encodeSafetensorsHeader } from "../../../lib/model/safetensors.ts";
import { type FlakyServer, honest, serveFlaky } from "../../support/flaky_server.ts";

const FIXTURES = new URL("../../fixtures/checkpoints/", import.meta.url);
const SAFETENSORS = await Deno.readFile(new URL("timm_e.safetensors", FIXTURES));
/** With scales of batch normalisation that are negative, which change weights at the end. */
const NORM = await Deno.readFile(new URL("b_bn_sorted.safetensors", FIXTURES));
const PYTORCH = await Deno.readFile(new URL("zip_d.pth", FIXTURES));

/** Configuration A with 96 channels: 2.5 MB, so that what is there is not worth reading again. */
const LARGE = makeLarge([]);
/** With 2.4 MB in front that no VGG has. */
const UNUSED = makeLarge([{ name: "unused", dtype: "F32", shape: [600_000] }]);

interface Tensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: number[];
}

function makeLarge(more: readonly Tensor[]): Uint8Array<ArrayBuffer> {
  const layers = [0, 3, 6, 8, 11, 13, 16, 18].flatMap((index, i) => [
    { name: `features.${index}.weight`, dtype: "F32", shape: [96, i === 0 ? 3 : 96, 3, 3] },
    { name: `features.${index}.bias`, dtype: "F32", shape: [96] },
  ]);
  const tensors = [...more, ...layers];
  const header = encodeSafetensorsHeader(tensors, {});
  const elements = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const file = new Uint8Array(header.length + 4 * elements);
  file.set(header);
  new Float32Array(file.buffer, header.length).forEach((_, i, values) => values[i] = Math.sin(i));
  return file;
}

interface Pulled {
  readonly entry: CatalogEntry;
  readonly cacheDir: string;
  readonly path: string;
}

async function withPull(
  server: FlakyServer,
  file: Uint8Array<ArrayBuffer>,
  use: (pulled: Pulled) => Promise<void>,
): Promise<void> {
  const cacheDir = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  const entry: CatalogEntry = {
    id: "small",
    title: "a small VGG",
    url: `${server.url}/small.bin`,
    format: file === PYTORCH ? "PyTorch" : "safetensors",
    sha256: await sha256(file),
    preprocessing: "torch",
    labels: null,
    license: "MIT",
  };
  try {
    await use({ entry, cacheDir, path: cachedModelPath("small", cacheDir) });
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
}

/** What a pull must give, however often it was broken off: the conversion of the same bytes. */
async function assertPulled(file: Uint8Array, { entry, cacheDir, path }: Pulled): Promise<void> {
  const provenance = { source: entry.url, license: entry.license, accuracy: entry.accuracy };
  const { bytes } = await convert(file, { id: entry.id, preprocessing: "torch", provenance });
  assertEquals(await Deno.readFile(path), bytes);
  const files = (await Array.fromAsync(Deno.readDir(cacheDir))).map(({ name }) => name).sort();
  assertEquals(files, ["small.lock", "small.safetensors"]);
}

/** Pulls until so many bytes have arrived. */
async function pullUntil(bytes: number, { entry, cacheDir }: Pulled): Promise<void> {
  const abort = new AbortController();
  await assertRejects(() =>
    pullModel("small", {
      entry,
      cacheDir,
      signal: abort.signal,
      onProgress: ({ loaded }) => loaded >= bytes && abort.abort(),
    }), DOMException);
}

function pullProcess({ entry, cacheDir }: Pulled): Deno.ChildProcess {
  const script = fromFileUrl(new URL("pull_process.ts", import.meta.url));
  const args = ["run", "--allow-all", "--no-check", script, JSON.stringify(entry), cacheDir];
  return new Deno.Command(Deno.execPath(), { args }).spawn();
}

/** Waits for something that another process does. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

Deno.test("a pull that quantizes is taken up wherever it was broken off", async () => {
  for (const file of [SAFETENSORS, NORM]) {
    for (let bytes = 3000; bytes < file.length; bytes += 2900) {
      await using server = serveFlaky((request, count) => ({
        ...honest(file, request),
        // The first connection ends here; what comes later is for the pull that goes on.
        ...(count === 0 ? { cutAfter: bytes } : {}),
      }));
      await withPull(server, file, async (pulled) => {
        await pullUntil(bytes, pulled);
        const before = server.requests.length;
        const { entry, cacheDir } = pulled;
        await pullModel("small", { entry, cacheDir });
        await assertPulled(file, pulled);
        // The header comes again, then the file from the tensor that was not finished.
        const [first, second, ...more] = server.requests.slice(before);
        assertEquals([first.begin, more.length], [0, 0]);
        assert(second === undefined || second.begin <= bytes);
      });
    }
  }
});

Deno.test("a killed process's quantized tensors are not downloaded again", async () => {
  await using server = serveFlaky((request, count) => ({
    ...honest(LARGE, request),
    ...(count === 0 ? { cutAfter: 2_000_000, isHeld: true } : {}),
  }));
  await withPull(server, LARGE, async (pulled) => {
    const note = `${pulled.path}.part.json`;
    const killed = pullProcess(pulled);
    // Six layers end before byte 2,000,000; each is noted when it is written.
    await until(async () =>
      await sizeOf(note) > 0 && /conv4_2/.test(await Deno.readTextFile(note))
    );
    killed.kill("SIGKILL");
    await killed.status;
    const { hash } = JSON.parse(await Deno.readTextFile(note));

    assertEquals((await pullProcess(pulled).status).code, 0);
    await assertPulled(LARGE, pulled);
    const [, header, rest] = server.requests;
    assertEquals([server.requests.length, header.begin], [3, 0]);
    assertEquals(rest.begin, Number(/^\d+/.exec(hash)![0]));
    assert(rest.begin > 1_600_000, `only ${rest.begin} bytes were not downloaded again`);
    assertEquals(rest.headers.get("if-range"), '"v1"');
  });
});

Deno.test("tensors that are not needed are hashed and not asked for again", async () => {
  await using server = serveFlaky((request) => honest(UNUSED, request));
  await withPull(server, UNUSED, async (pulled) => {
    const { entry, cacheDir } = pulled;
    await pullModel("small", { entry, cacheDir });
    await assertPulled(UNUSED, pulled);
    assertEquals(server.requests.map(({ begin }) => begin), [0]);
  });
});

Deno.test("a killed process's download is taken up where it ended", async () => {
  await using server = serveFlaky((request, count) => ({
    ...honest(PYTORCH, request),
    ...(count === 0 ? { cutAfter: 20_000, isHeld: true } : {}),
  }));
  await withPull(server, PYTORCH, async (pulled) => {
    const killed = pullProcess(pulled);
    await until(async () => await sizeOf(`${pulled.path}.part`) === 20_000);
    killed.kill("SIGKILL");
    await killed.status;
    assertEquals((await pullProcess(pulled).status).code, 0);
    await assertPulled(PYTORCH, pulled);
    assertEquals(server.requests.map(({ begin }) => begin), [0, 20_000]);
    assertEquals(server.requests[1].headers.get("if-range"), '"v1"');
  });
});

Deno.test("a pull removes what a process left that was killed while it converted", async () => {
  await using server = serveFlaky((request) => honest(PYTORCH, request));
  await withPull(server, PYTORCH, async (pulled) => {
    const { entry, cacheDir, path } = pulled;
    await Deno.writeTextFile(`${path}.0123abcd.tmp`, "half a model");
    const other = `${cacheDir}/other.safetensors.0123abcd.tmp`;
    await Deno.writeTextFile(other, "another process writes this one");
    await pullModel("small", { entry, cacheDir });
    await Deno.remove(other);
    await assertPulled(PYTORCH, pulled);
  });
});

Deno.test("processes that pull the same model at once download it once", async () => {
  for (const file of [SAFETENSORS, PYTORCH]) {
    await using server = serveFlaky((request) => honest(file, request));
    await withPull(server, file, async (pulled) => {
      const processes = [pullProcess(pulled), pullProcess(pulled), pullProcess(pulled)];
      const ends = await Promise.all(processes.map(({ status }) => status));
      assertEquals(ends.map(({ code }) => code), [0, 0, 0]);
      assertEquals(server.requests.length, 1);
      await assertPulled(file, pulled);
    });
  }
});

Deno.test("what is left of another version, of another entry or damaged is not taken up", async () => {
  for (const file of [SAFETENSORS, PYTORCH]) {
    const changes: ((pulled: Pulled) => Promise<Pulled>)[] = [
      (pulled) => Promise.resolve(pulled), // but the server has a newer version
      (pulled) => Promise.resolve({ ...pulled, entry: { ...pulled.entry, license: "CC0-1.0" } }),
      async (pulled) => {
        await Deno.writeTextFile(`${pulled.path}.part.json`, '{"url":');
        return pulled;
      },
    ];
    for (const [index, change] of changes.entries()) {
      let etag = '"old"';
      await using server = serveFlaky((request, count) => {
        const isOld = request.headers.has("if-range") && request.headers.get("if-range") !== etag;
        const reply = honest(file, isOld ? { ...request, begin: 0 } : request, etag);
        return count === 0 ? { ...reply, cutAfter: 20_000 } : reply;
      });
      await withPull(server, file, async (first) => {
        await pullUntil(20_000, first);
        if (index === 0) etag = '"new"';
        const pulled = await change(first);
        const { entry, cacheDir } = pulled;
        await pullModel("small", { entry, cacheDir });
        await assertPulled(file, pulled);
      });
    }
  }
});
