import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import { fromFileUrl } from "@std/path";
import { convert } from "../../../lib/convert/convert.ts";
import { verificationOf } from "../../../lib/convert/pull/entry.ts";
import { pullModel } from "../../../lib/convert/pull/pull.ts";
import { WeightsDownloadError } from "../../../lib/errors.ts";
import { cachedModelPath, exists, removeModel, withModelLock } from "../../../lib/io/cache.ts";
import type { CatalogEntry } from "../../../lib/model/catalog.ts";
import { sha256 } from "../../../lib/model/integrity.ts";
import {
  type FlakyServer,
  honest,
  type Reply,
  type SeenRequest,
  serveFlaky,
} from "../../support/flaky_server.ts";
import { until } from "../../support/serve_process.ts";

const FIXTURES = new URL("../../fixtures/checkpoints/", import.meta.url);
const SAFETENSORS = await Deno.readFile(new URL("timm_e.safetensors", FIXTURES));
const PYTORCH = await Deno.readFile(new URL("zip_d.pth", FIXTURES));

const EMPTY = new Uint8Array(0);

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
  const { url: source, license, accuracy } = entry;
  const provenance = { source, sourceVerifiedBy: verificationOf(entry), license, accuracy };
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
      onProgress: ({ done }) => done >= bytes && abort.abort(),
    }), DOMException);
}

function pullProcess({ entry, cacheDir }: Pulled): Deno.ChildProcess {
  const script = fromFileUrl(new URL("pull_process.ts", import.meta.url));
  const args = ["run", "--allow-all", "--no-check", script, JSON.stringify(entry), cacheDir];
  return new Deno.Command(Deno.execPath(), { args }).spawn();
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

Deno.test("a pull is taken up wherever it was broken off", async () => {
  for (const file of [SAFETENSORS, PYTORCH]) {
    for (let bytes = 3000; bytes < file.length; bytes += 2900) {
      await using server = serveFlaky((request, count) => ({
        ...honest(file, request),
        // The first connection ends here; what comes later is for the pull that goes on.
        ...(count === 0 ? { cutAfter: bytes } : {}),
      }));
      await withPull(server, file, async (pulled) => {
        await pullUntil(bytes, pulled);
        const before = server.requests.length;
        const here = await sizeOf(`${pulled.path}.part`);
        const { entry, cacheDir } = pulled;
        await pullModel("small", { entry, cacheDir });
        await assertPulled(file, pulled);
        assertEquals(server.requests.slice(before).map(({ begin }) => begin), [here]);
      });
    }
  }
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
    await Deno.writeTextFile(`${path}.vgg16-0123abcd.tmp`, "half a model");
    await pullModel("small", { entry, cacheDir });
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

/** Leaves a part of a download, as a pull that was killed would. */
async function leavePart({ entry, path }: Pulled, part: Uint8Array): Promise<void> {
  await Deno.writeFile(`${path}.part`, part);
  const note = JSON.stringify({ url: entry.url, validator: '"v1"' });
  await Deno.writeTextFile(`${path}.part.json`, note);
}

/** What servers say of the size when they refuse a range. */
const RANGES: Record<string, string>[] = [{ "content-range": `bytes */${PYTORCH.length}` }, {}];

/** A server that refuses a range that begins at the end or beyond it. */
function refusing(file: Uint8Array, request: SeenRequest, range: Record<string, string>): Reply {
  return request.begin < file.length
    ? honest(file, request)
    : { status: 416, headers: { etag: '"v1"', "content-length": "0", ...range }, body: EMPTY };
}

Deno.test("a part that is longer than the file is not kept for ever", async () => {
  const longer = new Uint8Array([...PYTORCH, 1, 2, 3]);
  for (const range of RANGES) {
    await using server = serveFlaky((request) => refusing(PYTORCH, request, range));
    await withPull(server, PYTORCH, async (pulled) => {
      await leavePart(pulled, longer);
      const { entry, cacheDir } = pulled;
      await pullModel("small", { entry, cacheDir });
      await assertPulled(PYTORCH, pulled);
      assertEquals(server.requests.map(({ begin }) => begin), [longer.length, 0]);
    });
  }
});

Deno.test("a part that is longer than the file is not kept where the server knows no ranges", async () => {
  const longer = new Uint8Array([...PYTORCH, 1, 2, 3]);
  const lengths: Record<string, string>[] = [{ "content-length": `${PYTORCH.length}` }, {}];
  for (const headers of lengths) {
    await using server = serveFlaky(() => ({
      status: 200,
      headers: { etag: '"v1"', ...headers },
      body: PYTORCH,
    }));
    await withPull(server, PYTORCH, async (pulled) => {
      await leavePart(pulled, longer);
      const { entry, cacheDir } = pulled;
      await pullModel("small", { entry, cacheDir });
      await assertPulled(PYTORCH, pulled);
      assertEquals(server.requests.length, 1);
    });
  }
});

Deno.test("a complete part is used, also where the server does not say the size", async () => {
  for (const range of RANGES) {
    await using server = serveFlaky((request) => refusing(PYTORCH, request, range));
    await withPull(server, PYTORCH, async (pulled) => {
      await leavePart(pulled, PYTORCH);
      const { entry, cacheDir } = pulled;
      await pullModel("small", { entry, cacheDir });
      await assertPulled(PYTORCH, pulled);
      assertEquals(server.requests.map(({ begin }) => begin), [PYTORCH.length]);
    });
  }
});

Deno.test("a part whose note is of another URL, or of no version, is not taken up", async () => {
  await using server = serveFlaky((request) => honest(PYTORCH, request));
  await withPull(server, PYTORCH, async (pulled) => {
    const { entry: { url }, path } = pulled;
    const notes = [{ url: `${url}x`, validator: '"v1"' }, { validator: '"v1"' }, { url }, null, 5];
    for (const note of notes) {
      await Deno.writeFile(`${path}.part`, PYTORCH.slice(0, 20_000).map((byte) => byte ^ 1));
      await Deno.writeTextFile(`${path}.part.json`, JSON.stringify(note));
      server.requests.length = 0;
      await pullModel("small", { entry: pulled.entry, cacheDir: pulled.cacheDir });
      assertEquals(server.requests.map(({ begin }) => begin), [0], JSON.stringify(note));
      await assertPulled(PYTORCH, pulled);
      await Deno.remove(path);
    }
  });
});

Deno.test("a part that is damaged on the disk is downloaded again, once", async () => {
  await using server = serveFlaky((request) => honest(PYTORCH, request));
  await withPull(server, PYTORCH, async (pulled) => {
    await leavePart(pulled, PYTORCH.slice(0, 20_000).map((byte) => byte ^ 1));
    const { entry, cacheDir } = pulled;
    await pullModel("small", { entry, cacheDir });
    await assertPulled(PYTORCH, pulled);
    assertEquals(server.requests.map(({ begin }) => begin), [20_000, 0]);
  });
});

Deno.test("a server that always cuts at the same byte is not asked without end", async () => {
  const servers: ((request: SeenRequest) => Reply)[] = [
    (request) => ({ ...honest(PYTORCH, { ...request, begin: 0 }), cutAfter: 20_000 }),
    (request) => ({ ...honest(PYTORCH, request), cutAfter: Math.max(0, 20_000 - request.begin) }),
  ];
  for (const reply of servers) {
    await using server = serveFlaky(reply);
    await withPull(server, PYTORCH, async ({ entry, cacheDir }) => {
      await assertRejects(
        () => pullModel("small", { entry, cacheDir }),
        WeightsDownloadError,
        "could not be read at byte 20000 in 5 attempts",
      );
      assertEquals(server.requests.length, 5);
    });
  }
});

Deno.test("a pull removes the part that a process left that was killed after it converted", async () => {
  await using server = serveFlaky((request) => honest(PYTORCH, request));
  await withPull(server, PYTORCH, async (pulled) => {
    const { entry, cacheDir } = pulled;
    await pullModel("small", { entry, cacheDir });
    await leavePart(pulled, PYTORCH);
    await pullModel("small", { entry, cacheDir });
    await assertPulled(PYTORCH, pulled);
    assertEquals(server.requests.length, 1);
  });
});

Deno.test("a pull that was killed between its note and its first bytes is begun anew", async () => {
  await using server = serveFlaky((request) => honest(PYTORCH, request));
  await withPull(server, PYTORCH, async (pulled) => {
    const { entry, cacheDir, path } = pulled;
    await pullUntil(1, pulled);
    await Deno.truncate(`${path}.part`, 0);
    await pullModel("small", { entry, cacheDir });
    await assertPulled(PYTORCH, pulled);
  });
});

Deno.test("a pull that is killed at any step is finished by the next one", async () => {
  const steps: Record<string, (pulled: Pulled) => Promise<boolean>> = {
    "the lock is taken": async ({ cacheDir }) => await exists(`${cacheDir}/small.lock`),
    "the note is written": async ({ path }) => await exists(`${path}.part.json`),
    "bytes are there": async ({ path }) => await sizeOf(`${path}.part`) > 0,
    "all bytes are there": async ({ path }) => await sizeOf(`${path}.part`) === PYTORCH.length,
    "the model is there": async ({ path }) => await exists(path),
  };
  for (const [step, isThere] of Object.entries(steps)) {
    await using server = serveFlaky((request) => honest(PYTORCH, request));
    await withPull(server, PYTORCH, async (pulled) => {
      const killed = pullProcess(pulled);
      await until(() => isThere(pulled));
      // It may have ended by itself already, which is one more step.
      try {
        killed.kill("SIGKILL");
      } catch (error) {
        assertInstanceOf(error, TypeError, step);
      }
      await killed.status;
      const { entry, cacheDir } = pulled;
      await pullModel("small", { entry, cacheDir });
      await assertPulled(PYTORCH, pulled);
    });
  }
});

Deno.test("removeModel() waits for the pull of another, and removes all that is left", async () => {
  let answer = () => {};
  const answered = new Promise<void>((resolve) => answer = resolve);
  await using server = serveFlaky((request) => {
    answer();
    return { ...honest(PYTORCH, request), cutAfter: 20_000, isHeld: true };
  });
  await withPull(server, PYTORCH, async (pulled) => {
    const { entry, cacheDir } = pulled;
    const abort = new AbortController();
    const pulling = assertRejects(
      () => pullModel("small", { entry, cacheDir, signal: abort.signal }),
      DOMException,
    );
    await answered;
    let isRemoved = false;
    const removing = removeModel("small", cacheDir).then((found) => isRemoved = found);
    await until(async () => await sizeOf(`${pulled.path}.part`) === 20_000);
    await delay(300);
    assertEquals(isRemoved, false, "the files of a pull under way are not removed");
    abort.abort();
    await pulling;
    assertEquals(await removing, true);
    assertEquals((await Array.fromAsync(Deno.readDir(cacheDir))).map(({ name }) => name), [
      "small.lock",
    ]);
    assertEquals(await removeModel("small", cacheDir), false);
    assertEquals(await removeModel("small", `${cacheDir}/none`), false);
  });
});

Deno.test("removeModel() that waits for a lock can be aborted", async () => {
  const cacheDir = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await withModelLock("small", cacheDir, undefined, async () => {
      const signal = AbortSignal.timeout(150);
      await assertRejects(() => removeModel("small", cacheDir, signal), DOMException);
    });
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
});
