/** A password and a signature in a URL go to its host, and to nobody and nothing else. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { convert } from "../lib/convert/convert.ts";
import type { Progress } from "../lib/progress.ts";
import { pullModel } from "../lib/convert/pull/pull.ts";
import { readImage } from "../lib/image/read.ts";
import { openModel } from "../lib/model/file.ts";
import { NO_HASH, sealHeader } from "../lib/model/integrity.ts";
import { createHandler, loadClassifier } from "../mod.ts";
import { freePort } from "./support/serve_process.ts";
import { CIFAR10, CIFAR10_FILE } from "./support/cifar10.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const CHECKPOINTS = join(ROOT, "tests/fixtures/checkpoints");
const SECRETS = /robot|hunter2|PRESIGNED|REDIRECTED/;
/** What is under this path, by name. */
const FILES: Readonly<Record<string, string>> = {
  "cat.png": join(ROOT, "tests/data/photos/cat.png"),
  "model.safetensors": fromFileUrl(CIFAR10_FILE),
  "zip_d.pth": join(CHECKPOINTS, "zip_d.pth"),
  "c_external.onnx": join(CHECKPOINTS, "c_external.onnx"),
  "c_external.data": join(CHECKPOINTS, "c_external.data"),
  "model.json": join(CHECKPOINTS, "tfjs_float32/model.json"),
  "group1-shard1of3.bin": join(CHECKPOINTS, "tfjs_float32/group1-shard1of3.bin"),
  "group1-shard2of3.bin": join(CHECKPOINTS, "tfjs_float32/group1-shard2of3.bin"),
  "group1-shard3of3.bin": join(CHECKPOINTS, "tfjs_float32/group1-shard3of3.bin"),
};

interface Seen {
  readonly path: string;
  readonly authorization: string | null;
  readonly referer: string | null;
}

/**
 * Serves files to whoever has the password and the signature, and answers others with 401. Below
 * `/redirected/` it sends to another server with a signature of its own, as stores of packages do.
 */
class Guarded {
  readonly elsewhere: Seen[] = [];
  readonly #other = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    const { headers } = request;
    this.elsewhere.push({
      path: pathname,
      authorization: headers.get("authorization"),
      referer: headers.get("referer"),
    });
    return this.#file(pathname);
  });
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const isKnown = request.headers.get("authorization") === `Basic ${btoa("robot:hunter2")}` &&
      searchParams.get("sig") === "PRESIGNED";
    if (!isKnown) return new Response("who are you?", { status: 401 });
    if (!pathname.startsWith("/redirected/")) return this.#file(pathname);
    const { port } = this.#other.addr;
    const location = `http://127.0.0.1:${port}${pathname}?X-Signature=REDIRECTED`;
    return new Response(null, { status: 302, headers: { location } });
  });

  url(path: string, base: string = "files"): string {
    return `http://robot:hunter2@127.0.0.1:${this.#server.addr.port}/${base}/${path}?sig=PRESIGNED`;
  }

  async #file(pathname: string): Promise<Response> {
    const path = FILES[pathname.split("/").at(-1)!];
    if (path === undefined) return new Response("none", { status: 403 });
    return new Response((await Deno.open(path)).readable);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
    await this.#other.shutdown();
  }
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** No file below a folder has a secret in it, or in its name. */
async function assertNoSecrets(folder: string, what: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    assert(!SECRETS.test(name), `${what}: ${name}`);
    const path = join(folder, name);
    if (isDirectory) await assertNoSecrets(path, what);
    else {
      const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
      assert(!SECRETS.test(text), `${what}: ${path} has ${SECRETS.exec(text)?.[0]}`);
    }
  }
}

async function run(
  args: readonly string[],
  folder: string,
): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", join(ROOT, "cli.ts"), ...args],
    cwd: folder,
    env: { NO_COLOR: "1", TMPDIR: folder, XDG_RUNTIME_DIR: "/tmp", VGG16_CACHE_DIR: folder },
    stdin: "null",
  }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

type Url = (path: string, base?: string) => string;

const CIFAR = ["--model", CIFAR10];

/** Command lines, and their exit codes. Files of earlier ones are there, in the working folder. */
const COMMANDS: readonly (readonly [code: number, args: (url: Url) => readonly string[]])[] = [
  [0, (url) => ["classify", "--model", url("model.safetensors"), url("cat.png")]],
  [0, (url) => [
    ...["classify", ...CIFAR, url("cat.png"), url("cat.png"), url("cat.png", "redirected")],
    ...["--out", "all.jsonl", "--draw", "drawn"],
  ]],
  [0, (url) => ["classify", ...CIFAR, "--json", url("cat.png")]],
  [1, (url) => [
    ...["classify", ...CIFAR, url("none.png"), url("model.json")],
    ...["http://robot:hunter2@:x/a.png", "s3://robot:hunter2@b/a.png?sig=PRESIGNED"],
  ]],
  [1, () => ["classify", ...CIFAR, "--json", "s3://robot:hunter2@b/a.png?sig=PRESIGNED"]],
  [1, (url) => ["classify", ...CIFAR, "--offline", url("cat.png")]],
  [0, (url) => ["embed", ...CIFAR, url("cat.png"), "--out", "all.safetensors"]],
  [0, (url) => ["embed", ...CIFAR, url("cat.png"), "--out", "embeddings.jsonl"]],
  [0, (url) => ["explain", ...CIFAR, url("cat.png"), "--out", "explained"]],
  [0, (url) => ["evaluate", "list.csv", "--model", url("model.safetensors"), "--out", "report"]],
  [1, (url) => ["evaluate", "list.csv", "--model", url("none.safetensors")]],
  [2, (url) => ["evaluate", ...CIFAR, url("cat.png")]],
  [0, (url) => [
    ...["fit", "list.csv", "--model", url("model.safetensors"), "--out", "fitted.safetensors"],
  ]],
  [0, (url) => ["profile", "--runs", "1", "--model", url("model.safetensors", "redirected")]],
  [0, (url) => ["convert", url("zip_d.pth"), "--out", "a.safetensors"]],
  [0, (url) => ["convert", url("zip_d.pth", "redirected"), "--out", "b.safetensors"]],
  [0, (url) => ["convert", url("c_external.onnx"), "--out", "c.safetensors"]],
  [0, (url) => ["convert", url("model.json"), "--out", "d.safetensors"]],
  [0, (url) => [
    ...["convert", url("zip_d.pth"), "--out", "e.safetensors"],
    ...["--describe", "described.json"],
  ]],
  [1, (url) => ["convert", url("none.pth"), "--out", "f.safetensors"]],
  [1, (url) => ["convert", url("cat.png"), "--out", "f.safetensors"]],
  [1, (url) => ["pull", "vgg16-keras-features", "--base-url", url("none")]],
  [1, (url) => ["pull", "vgg16-onnx", "--base-url", url("x").replace("http:", "ftp:")]],
  [2, (url) => ["pull", url("model.safetensors")]],
  [2, (url) => [url("model.safetensors")]],
  [2, (url) => ["models", "info", url("model.safetensors")]],
  [2, (url) => ["profile", url("model.safetensors")]],
  [2, (url) => ["convert", url("zip_d.pth"), url("zip_d.pth")]],
  [2, (url) => ["evaluate", "--compare", `models=${url("model.safetensors")}`, "list.csv"]],
  [2, (url) => ["classify", `--models=${url("model.safetensors")}`]],
];

Deno.test("no command shows or writes a password or a signature, and those that can use them do", async () => {
  await using server = new Guarded();
  const url: Url = (path, base) => server.url(path, base);
  await withFolder(async (folder) => {
    const rows = ["cat", "dog", "cat", "dog"].map((label, n) =>
      `${url("cat.png", n === 3 ? "redirected" : "files")}&n=${n},${label}\n`
    );
    const list = join(folder, "list.csv"), described = join(folder, "described.json");
    for (const [expected, args] of COMMANDS) {
      await Deno.writeTextFile(list, rows.join(""));
      const provenance = { source: url("zip_d.pth") };
      await Deno.writeTextFile(described, JSON.stringify({ provenance }));
      const line = args(url);
      const { code, text } = await run(line, folder);
      await Deno.remove(list);
      await Deno.remove(described);
      assertEquals(code, expected, `${line.join(" ")}: ${text}`);
      assert(!SECRETS.test(text), `${line.join(" ")}: ${text}`);
      await assertNoSecrets(folder, line.join(" "));
    }
    const text = await Deno.readTextFile(join(folder, "all.jsonl"));
    const [, ...records] = text.trim().split("\n");
    const names = records.map((line) => JSON.parse(line).file);
    const shown = new URL(url("cat.png"));
    assertEquals(names, [
      `http://${shown.host}/files/cat.png`,
      `http://${shown.host}/files/cat.png (2)`,
      `http://${shown.host}/redirected/cat.png`,
    ]);
    const again = COMMANDS[1]![1](url);
    await run(again, folder);
    assertEquals(await Deno.readTextFile(join(folder, "all.jsonl")), text);
  });
  assert(server.elsewhere.length > 0);
  for (const { path, authorization, referer } of server.elsewhere) {
    assertEquals([authorization, referer], [null, null], path);
  }
});

Deno.test("a note of a download that was broken off has no secrets, and it is taken up all the same", async () => {
  const bytes = await Deno.readFile(FILES["zip_d.pth"]!);
  const begins: string[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ headers }) => {
      const begin = Number(/\d+/.exec(headers.get("range") ?? "")?.[0] ?? 0);
      begins.push(`${begin > 0} ${headers.get("authorization")}`);
      const more = {
        etag: '"v1"',
        "content-range": `bytes ${begin}-${bytes.length - 1}/${bytes.length}`,
      };
      return new Response(bytes.subarray(begin), { status: begin > 0 ? 206 : 200, headers: more });
    },
  );
  await withFolder(async (cacheDir) => {
    const pull = (sig: string, signal?: AbortSignal, onProgress?: (progress: Progress) => void) =>
      pullModel("small", {
        entry: {
          id: "small",
          title: "a small VGG",
          url: `http://robot:hunter2@127.0.0.1:${server.addr.port}/zip_d.pth?sig=${sig}`,
          format: "PyTorch",
          preprocessing: "torch",
          labels: null,
          license: "MIT",
        },
        ...{ cacheDir, signal, onProgress, unverified: true },
      });
    const abort = new AbortController();
    const stop = ({ done }: Progress): void => done > 0 ? abort.abort() : undefined;
    await pull("PRESIGNED1", abort.signal, stop).catch(() => {});
    await assertNoSecrets(cacheDir, "a pull that was broken off");
    await Deno.truncate(join(cacheDir, "small.safetensors.part"), 1000);
    await pull("PRESIGNED2");
    await assertNoSecrets(cacheDir, "a pull");
  });
  const basic = `Basic ${btoa("robot:hunter2")}`;
  assertEquals(begins, [`false ${basic}`, `true ${basic}`]);
});

Deno.test("no error shows a secret of a URL or of a redirect, however it is printed", async () => {
  await using server = new Guarded();
  const closed = `http://robot:hunter2@127.0.0.1:${freePort()}/model.safetensors?sig=PRESIGNED`;
  await using lost = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(null, { status: 302, headers: { location: closed } }),
  );
  const redirected = `http://robot:hunter2@127.0.0.1:${lost.addr.port}/model?sig=PRESIGNED`;
  const uses: Record<string, (place: string | URL) => Promise<unknown>> = {
    classifier: (model) => loadClassifier({ model }),
    conversion: (place) => convert(place),
    image: (place) => readImage(place),
  };
  const places = [server.url("none"), server.url("cat.png"), closed, redirected];
  await Promise.all(
    Object.entries(uses).flatMap(([name, use]) =>
      places.map(async (place) => {
        if (name === "image" && place.includes("cat.png")) return;
        const error = await use(place).catch((error) => error);
        assert(error instanceof Error, `${name} of ${place}`);
        const shown = `${Deno.inspect(error, { depth: 10 })} ${JSON.stringify(error)}`;
        assert(!SECRETS.test(shown), `${name}: ${shown}`);
      })
    ),
  );
});

Deno.test("a service tells nobody where its model is from, and its log neither", async () => {
  await using server = new Guarded();
  const port = freePort();
  for (const name of ["model.safetensors", "none", "cat.png"]) {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-check", "--allow-all", join(ROOT, "serve.ts")],
        ...["--host", "127.0.0.1", "--port", `${port}`, "--model", server.url(name)],
      ],
      env: { NO_COLOR: "1", VGG16_LOG_LEVEL: "debug", VGG16_BACKEND: "wasm" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let log = "";
    const listening = Promise.withResolvers<void>();
    const reading = child.stdout.pipeThrough(new TextDecoderStream() as ReadableWritablePair)
      .pipeTo(
        new WritableStream({
          write(text) {
            log += text;
            if (log.includes("listening")) listening.resolve();
          },
        }),
      );
    const errors = new Response(child.stderr).text();
    try {
      await Promise.race([listening.promise, child.status]);
      for (
        const path of [
          "/readyz",
          "/info",
          "/v2/models/other",
          "/models/x",
          "/openapi.json",
          "/metrics",
        ]
      ) {
        const text = await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
        assert(!SECRETS.test(text), `${path}: ${text}`);
      }
      const body = await Deno.readFile(FILES["cat.png"]!);
      const answer = await fetch(`http://127.0.0.1:${port}/classify`, { method: "POST", body });
      const text = await answer.text();
      assertEquals(answer.ok, name === "model.safetensors", text);
      assert(!SECRETS.test(text), text);
    } finally {
      child.kill("SIGTERM");
    }
    await child.status;
    await reading;
    log += await errors;
    assert(/"level":"info"/.test(log), log);
    assert(!SECRETS.test(log), log);
  }
});

Deno.test("a service that fetches pictures repeats no signature, in no answer and in no line", async () => {
  const lines: string[] = [];
  const handler = createHandler({
    ...{ model: CIFAR10, backend: "wasm", urlInput: true, logLevel: "debug" },
    writeLog: (line) => void lines.push(line),
  });
  for (
    const url of [
      "http://robot:hunter2@pictures.invalid/cat.png?sig=PRESIGNED",
      "http://pictures.invalid/cat.png?sig=PRESIGNED",
      "http://127.0.0.1/cat.png?sig=PRESIGNED",
      "ftp://robot:hunter2@pictures.invalid/cat.png",
      "http://robot:hunter2@:x/cat.png",
    ]
  ) {
    for (const given of [url, [url, url]]) {
      const response = await handler(
        new Request("http://localhost/classify", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ url: given }),
        }),
      );
      const text = await response.text();
      assert(!SECRETS.test(text), text);
    }
  }
  assert(lines.length > 0);
  assert(!SECRETS.test(lines.join("\n")), lines.join("\n"));
});

Deno.test("a model file that others wrote with a secret in its source is opened without", async () => {
  const source = `http://host.example/${"x".repeat(40)}/model.pth`;
  const model = await convert(await Deno.readFile(FILES["zip_d.pth"]!), { provenance: { source } });
  const { bytes } = model;
  const header = bytes.subarray(0, 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true)));
  const secret = "http://robot:hunter2@host.example/model.pth?sig=PRESIGNED";
  const text = new TextDecoder().decode(header.subarray(8))
    .replace(source, secret.padEnd(source.length, "D"))
    .replace(/"header_sha256":"[0-9a-f]{64}"/, `"header_sha256":"${NO_HASH}"`);
  header.set(new TextEncoder().encode(text), 8);
  await sealHeader(header);
  const { provenance } = await openModel(bytes);
  assertEquals(provenance.source, "http://host.example/model.pth");
});
