import { assert, assertEquals, assertMatch, assertStringIncludes, equal } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { fromFileUrl, join } from "@std/path";
import { loadClassifier } from "../../lib/classifier.ts";
import { encodePng } from "../../lib/image/codecs/encode_png.ts";
import { IMAGE_OPTIONS } from "../../lib/options.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { blocksOf, commandsOf, type ShownCommand } from "../support/markdown.ts";
import { pictureOf } from "../support/fitted.ts";
import { random } from "../support/random_model.ts";
import { runCli } from "../support/run_cli.ts";
import { until } from "../support/serve_process.ts";
import { answersTo, WORKER, WORKER_ENV, WorkerProcess } from "../support/worker_process.ts";

type Row = Record<string, unknown>;

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const isLinux = Deno.build.os === "linux", isWindows = Deno.build.os === "windows";
const LARGEST = IMAGE_OPTIONS.maxBytes.default;

/** Some pictures of all classes, of a few hundred bytes to two thousand each. */
const PICTURES = await Promise.all(
  Array.from({ length: 40 }, (_, n) => encodePng(pictureOf(n % 10, n))),
);
await using classifier = await loadClassifier({ model: CIFAR10, backend: "wasm" });
const PREDICTIONS = await classifier.classify(PICTURES);
const POOLED = ["--embed", "pool5", "--pooling", "max", "--normalize"];
const EMBEDDINGS = await classifier.embed(PICTURES, {
  ...{ layer: "pool5", pooling: "max", normalize: true },
});
/** Embeddings of 128 KiB, of which a pipe has no room for one. */
const WIDE = await classifier.embed(PICTURES.slice(0, 4), { layer: "conv1_1" });

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const frame = (id: unknown, bytes: Uint8Array): Uint8Array =>
  concat([utf8(JSON.stringify({ id, bytes: bytes.length }) + "\n"), bytes]);
const line = (request: object): Uint8Array => utf8(JSON.stringify(request) + "\n");
const inLine = (id: unknown, bytes: Uint8Array): Uint8Array => line({ id, data: bytes.toBase64() });
const rowsOf = (bytes: Uint8Array): Row[] =>
  new TextDecoder().decode(bytes).trimEnd().split("\n").map((row) => JSON.parse(row));

/** A request's place among others, and what it is answered. */
const predicted = (id: unknown, n: number): Row => ({ id, predictions: PREDICTIONS[n] as unknown });

/** An answer without the words of its error, which are for people. */
function coded(row: Row): Row {
  if (row.error === undefined) return row;
  const { code, retryable, message } = row.error as Row;
  assert(typeof message === "string" && message !== "");
  return { id: row.id, error: { code, retryable } };
}

const failed = (id: unknown, code: string): Row => ({ id, error: { code, retryable: false } });

Deno.test("a worker answers what classify does, after a line that says what answers", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const [n, picture] of PICTURES.entries()) {
      await Deno.writeFile(join(folder, `${10 + n}.png`), picture);
    }
    const options = ["-k", "3", "--crops", "ten", "--deny", "cat"];
    const model = ["--model", CIFAR10, "--backend", "wasm"];
    const { stdout } = await runCli(["classify", ...model, ...options, "--jsonl", folder]);
    const [settings, ...results] = rowsOf(utf8(stdout));
    const { code, stderr, ...worker } = await answersTo(
      PICTURES.map((picture, n) => frame(`${10 + n}.png`, picture)),
      options,
    );
    assertEquals([code, stderr], [0, ""]);
    const [hello, ...answers] = rowsOf(worker.stdout);
    const labels = classifier.info.classes.map(({ label }) => label);
    assertEquals(hello, { protocol: 1, ...settings, program: "vgg16 worker", labels });
    assertEquals(Object.keys(hello!)[0], "protocol");
    assertEquals(
      answers,
      results.map(({ file, predictions }) => ({ id: `${file}`.slice(-6), predictions })),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a worker embeds as embed() does: float32 behind a line, or in it", async () => {
  const raw = await answersTo(PICTURES.map((picture, n) => frame(n, picture)), POOLED);
  assertEquals([raw.code, raw.stderr], [0, ""]);
  const { shape } = EMBEDDINGS[0]!, bytes = EMBEDDINGS[0]!.data.byteLength;
  const answers = EMBEDDINGS.map(({ data }, n) =>
    concat([utf8(`{"id":${n},"shape":[${shape}],"bytes":${bytes}}\n`), new Uint8Array(data.buffer)])
  );
  const start = raw.stdout.indexOf(10) + 1, [hello] = rowsOf(raw.stdout.subarray(0, start));
  assertEquals([hello!.shape, hello!.layer, hello!.parts], [
    shape,
    "pool5",
    "pool5 max normalized",
  ]);
  assertEquals(raw.stdout.subarray(start), concat(answers));
  const lines = await answersTo(
    PICTURES.map((picture, n) => inLine(n, picture)),
    [...POOLED, "--base64"],
  );
  assertEquals([lines.code, lines.stderr], [0, ""]);
  assertEquals(
    rowsOf(lines.stdout).slice(1),
    EMBEDDINGS.map(({ data }, id) => {
      return { id, shape, embedding: new Uint8Array(data.buffer).toBase64() };
    }),
  );
});

Deno.test("1,000 requests of all kinds, cut anywhere, have one answer each, in order, and no luck", async () => {
  const next = random(7), below = (most: number): number => Math.floor(next() * most);
  const requests: Uint8Array[] = [], expected: Row[] = [];
  for (let n = 0; n < 1000; n++) {
    const which = below(PICTURES.length), picture = PICTURES[which]!;
    const id = [n, `${n}`, "the same", "é\u{1f600}\n\u0007"][below(4)], kind = below(10);
    const send = kind % 2 === 0 ? frame : inLine;
    if (kind < 6) {
      requests.push(send(id, picture));
      expected.push(predicted(id, which));
    } else if (kind < 8) {
      requests.push(send(id, picture.subarray(0, 60 + below(100))));
      expected.push(failed(id, "image-damaged"));
    } else if (kind === 8) {
      requests.push(send(id, new Uint8Array(0)));
      expected.push(failed(id, "image-damaged"));
    } else {
      requests.push(line({ id, url: "https://example.com/x.png" }));
      expected.push(failed(id, "image-fetch"));
    }
  }
  requests.splice(500, 0, frame("large", new Uint8Array(LARGEST + 1)));
  expected.splice(500, 0, failed("large", "image-bytes"));
  const input = concat(requests);
  const cut = (most: number): Uint8Array[] => {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < input.length;) {
      // What is skipped comes in few parts.
      const isLarge = input.length - at > LARGEST / 100;
      const end = at + 1 + below(isLarge ? 50 * most : most);
      parts.push(input.subarray(at, end));
      at = end;
    }
    return parts;
  };
  const first = await answersTo(cut(20_000)), second = await answersTo([input]);
  assertEquals([first.code, first.stderr], [0, ""]);
  assertEquals(rowsOf(first.stdout).slice(1).map(coded), expected);
  assertEquals(second, first, "the same input has the same answers, byte by byte");
});

Deno.test("a request is answered while no other comes", async () => {
  for (const args of [[], ["--base64"]]) {
    await using worker = new WorkerProcess(args);
    assertEquals((await worker.line())?.protocol, 1);
    for (const n of [0, 1, 2]) {
      await worker.write((args.length === 0 ? frame : inLine)(n, PICTURES[n]!));
      assertEquals(await worker.line(), predicted(n, n));
    }
    await worker.closeInput();
    assertEquals(await worker.line(), undefined);
    assertEquals(await worker.ended(), { code: 0, stderr: "" });
  }
});

Deno.test("no request has no answer, and an input that ends in one exit code 1", async () => {
  const whole = frame(1, PICTURES[1]!), answer = predicted(1, 1);
  for (
    const [end, code, ...answers] of [
      ["", 0],
      ['{"id":2,"bytes":9}\nabc', 1, failed(2, "PROTOCOL")],
      ['{"id":2,"by', 1, failed(2, "PROTOCOL")],
      ["hello\n" + '{"id":3,"data":""}\n', 1, failed(null, "PROTOCOL")],
      ['{"id":2,"bytes":-1}\n', 1, failed(null, "PROTOCOL")],
      ["x".repeat(2 ** 17), 1, failed(null, "PROTOCOL")],
    ] as const
  ) {
    const found = await answersTo([whole, end]);
    assertEquals(rowsOf(found.stdout).slice(1).map(coded), [answer, ...answers], end);
    assertEquals([found.code, found.stderr], [code, ""], end);
  }
});

Deno.test("with --base64 each line stands for itself", async () => {
  const found = await answersTo([
    ...[inLine(0, PICTURES[0]!), "hello\n", line({ id: 1, bytes: 5 }), "\n"],
    ...[line({ id: 2, data: "???" }), inLine(3, PICTURES[3]!).subarray(0, -1)],
  ], ["--base64"]);
  assertEquals(rowsOf(found.stdout).slice(1).map(coded), [
    ...[predicted(0, 0), failed(null, "PROTOCOL"), failed(1, "PROTOCOL")],
    ...[failed(null, "PROTOCOL"), failed(2, "image-damaged"), predicted(3, 3)],
  ]);
  assertEquals([found.code, found.stderr], [0, ""]);
});

/** Bytes of a process that are in memory. */
async function residentBytes({ pid }: Deno.ChildProcess): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return 1024 * Number(/VmRSS:\s*(\d+)/.exec(status)![1]);
}

Deno.test(
  "a reader that stalls stops the writer, and costs no memory",
  { ignore: !isLinux },
  async () => {
    await using worker = new WorkerProcess();
    await worker.line();
    // Most of what is offered is told at a look to be none, so that this takes seconds.
    const other = new Uint8Array(20_000).fill(65);
    const request = (n: number): Uint8Array =>
      n % 200 === 0 ? frame(n, PICTURES[n / 200 % PICTURES.length]!) : frame(n, other);
    const answer = (n: number): Row =>
      n % 200 === 0 ? predicted(n, n / 200 % PICTURES.length) : failed(n, "image-format");
    const BEFORE = 1000, OFFERED = 20_000, MB = 2 ** 20;
    const answered = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n++) assertEquals(coded((await worker.line())!), answer(n));
    };
    const reading = answered(0, BEFORE);
    for (let n = 0; n < BEFORE; n++) await worker.write(request(n));
    await reading;
    const baseline = await residentBytes(worker.child);
    let written = BEFORE;
    const writing = (async () => {
      for (; written < BEFORE + OFFERED; written++) await worker.write(request(written));
      await worker.closeInput();
    })();
    // Nothing is read: once no more is taken for a while nothing will be.
    let last = -1;
    await until(async () => {
      const before = last;
      last = written;
      await new Promise((resolve) => setTimeout(resolve, 500));
      return before === written && last === written;
    });
    assert(written < BEFORE + OFFERED / 2, `${written} were taken`);
    const stalled = await residentBytes(worker.child);
    // The rest is 400 MB; what is kept is some answers, decoded pictures, and what V8 has not yet freed.
    const more = (stalled - baseline) / MB;
    assert(more < 50, `${more.toFixed(0)} MB more than the ${baseline / MB} before`);
    await answered(BEFORE, BEFORE + OFFERED);
    await writing;
    assertEquals(await worker.line(), undefined);
    assertEquals(await worker.ended(), { code: 0, stderr: "" });
  },
);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(
    `${signal} ends a worker that is being asked, between two answers`,
    { ignore: isWindows },
    async () => {
      await using worker = new WorkerProcess();
      await worker.line();
      const writing = (async () => {
        for (let n = 0;; n++) await worker.write(frame(n, PICTURES[n % PICTURES.length]!));
      })().catch(() => {});
      assertEquals(await worker.line(), predicted(0, 0));
      worker.child.kill(signal);
      let answered = 1;
      for (let row; (row = await worker.line()) !== undefined; answered++) {
        assertEquals(row, predicted(answered, answered % PICTURES.length));
      }
      assertEquals(await worker.ended(), { code: 0, stderr: "" });
      await writing;
    },
  );
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(
    `${signal} loses no answer of what was taken, though none could be written before`,
    { ignore: isWindows },
    async () => {
      await using worker = new WorkerProcess(["--embed", "conv1_1"]);
      await worker.line();
      await worker.write(concat(WIDE.map((_, n) => frame(n, PICTURES[n]!))));
      // More than pipes and buffers hold: a worker that reads this has taken all before it.
      await worker.write(frame(WIDE.length, new Uint8Array(2 ** 20)));
      worker.child.kill(signal);
      // One that loses answers has time to do so: the right one waits for its reader.
      let isOver = false;
      worker.child.status.then(() => isOver = true);
      for (let n = 0; n < 50 && !isOver; n++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      for (const [id, { shape, data }] of WIDE.entries()) {
        assertEquals(await worker.line(), { id, shape: [...shape], bytes: data.byteLength });
        const found = await worker.bytes(data.byteLength);
        assert(equal(found, new Uint8Array(data.buffer)), `${found.length} bytes of answer ${id}`);
      }
      const last = await worker.line();
      if (last !== undefined) assertEquals(coded(last), failed(WIDE.length, "image-format"));
      assertEquals(await worker.line(), undefined);
      assertEquals(await worker.ended(), { code: 0, stderr: "" });
    },
  );
}

Deno.test("a signal ends a worker that waits, and a second one that cannot go on", {
  ignore: isWindows,
}, async () => {
  await using idle = new WorkerProcess();
  await idle.line();
  idle.child.kill("SIGTERM");
  assertEquals(await idle.ended(), { code: 0, stderr: "" });

  await using stalled = new WorkerProcess(["--embed", "conv1_1"]);
  await stalled.line();
  const picture = PICTURES[0]!; // Its answer fills the pipe, and nobody reads it.
  await stalled.write(frame(0, picture));
  await stalled.bytes(1);
  const killing = (async () => {
    let isOver = false;
    stalled.child.status.then(() => isOver = true);
    await until(() => {
      if (!isOver) stalled.child.kill("SIGTERM");
      return isOver;
    });
  })().catch(() => {});
  assertEquals(await stalled.ended(), { code: 143, stderr: "" });
  await killing;
});

Deno.test("a worker whose answers nobody reads any more ends, quietly", async () => {
  await using worker = new WorkerProcess();
  await worker.line();
  await worker.leave();
  const writing = (async () => {
    for (let n = 0;; n++) await worker.write(frame(n, PICTURES[0]!));
  })().catch(() => {});
  assertEquals(await worker.ended(), { code: 141, stderr: "" });
  await writing;
});

Deno.test("a worker does not outlive a parent that was killed", { ignore: !isLinux }, async () => {
  const script = `
    const child = new Deno.Command(Deno.execPath(), {
      args: ${JSON.stringify(WORKER)}, stdin: "piped", stdout: "piped",
    }).spawn();
    await child.stdout.getReader().read();
    console.log(child.pid);
    await child.status;`;
  const parent = new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    env: WORKER_ENV,
    ...{ stdin: "null", stdout: "piped", stderr: "null" },
  }).spawn();
  const reader = parent.stdout.getReader();
  const pid = parseInt(new TextDecoder().decode((await reader.read()).value));
  const isRunning = async (): Promise<boolean> => {
    const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
    return status !== "" && !/^State:\s*[ZX]/m.test(status);
  };
  assert(await isRunning());
  parent.kill("SIGKILL");
  await parent.status;
  await until(async () => !await isRunning());
  await reader.cancel();
});

Deno.test("pictures are fetched with --fetch, by http alone, and no path is ever read", async () => {
  const asked: string[] = [];
  await using host = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) => {
      asked.push(new URL(url).pathname);
      const [, n] = /(\d+)\.png$/.exec(url) ?? [];
      return n === undefined
        ? new Response("gone", { status: 404 })
        : new Response(PICTURES[Number(n)]! as Uint8Array<ArrayBuffer>);
    },
  );
  const at = (path: string): string => `http://127.0.0.1:${host.addr.port}/${path}`;
  const path = join(ROOT, "tests/data/photos/cat.png");
  const none = [path, `file://${path}`, "data:,x", "tests/data/photos/cat.png"];
  const requests = [at("1.png"), at("gone"), ...none, at("2.png")]
    .map((url, id) => line({ id, url }));
  const refused = [2, 3, 4, 5].map((id) => failed(id, "image-fetch"));
  for (const args of [["--fetch"], ["--fetch", "--base64"]]) {
    const found = await answersTo(requests, args), rows = rowsOf(found.stdout).slice(1);
    assertEquals(rows.map(coded), [
      ...[predicted(0, 1), failed(1, "image-fetch"), ...refused, predicted(6, 2)],
    ]);
    assertEquals([found.code, found.stderr], [0, ""]);
  }
  assertEquals(asked.sort(), ["/1.png", "/1.png", "/2.png", "/2.png", "/gone", "/gone"]);
  const found = await answersTo(requests);
  assertEquals(
    rowsOf(found.stdout).slice(1).map(coded),
    requests.map((_, id) => failed(id, "image-fetch")),
  );
  assertEquals(asked.length, 6, "nothing is fetched without it");
});

Deno.test("some pictures are fetched at once, and few", async () => {
  const PAGES = 30;
  const second = Promise.withResolvers<void>();
  let open = 0, most = 0;
  await using host = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async ({ url }) => {
      const n = Number(/\d+$/.exec(url)![0]);
      most = Math.max(most, ++open);
      // Whoever fetched one after the other would wait for the first one until that is given up.
      if (n === 1) second.resolve();
      if (n === 0) await second.promise;
      open--;
      return new Response(PICTURES[n]! as Uint8Array<ArrayBuffer>);
    },
  );
  const requests = Array.from({ length: PAGES }, (_, n) => {
    return line({ id: n, url: `http://127.0.0.1:${host.addr.port}/${n}` });
  });
  const found = await answersTo(requests, ["--fetch"]);
  const expected = Array.from({ length: PAGES }, (_, n) => predicted(n, n));
  assertEquals(rowsOf(found.stdout).slice(1), expected);
  assertEquals([found.code, found.stderr], [0, ""]);
  assert(most <= 9, `${most} at once`);
});

Deno.test(
  "what the documentation shows of a worker is what it prints",
  { ignore: isWindows },
  async () => {
    const page = await Deno.readTextFile(join(ROOT, "docs/entries/cli.md"));
    const block = blocksOf(page).find(({ kind, text }) =>
      kind === "sh" && text.includes("worker")
    )!;
    const [{ command, shown }] = commandsOf(block.text) as [ShownCommand];
    const { stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", command.replace("deno run", `'${Deno.execPath()}' run --quiet`)],
      cwd: ROOT,
      env: WORKER_ENV,
      ...{ stdin: "null", stdout: "piped", stderr: "piped" },
    }).output();
    assertEquals(new TextDecoder().decode(stderr), "");
    const printed = new TextDecoder().decode(stdout).trimEnd();
    // Two hundred labels are not shown.
    assertEquals(printed.replace(/(?<="labels":\["goldfish",).*(?=\]\}\n)/, " …"), shown);
  },
);

Deno.test("what contradicts itself, or has no effect, is a wrong command line", async () => {
  for (
    const [args, said] of [
      [["--pooling", "avg"], "--pooling has no effect without --embed"],
      [["--normalize"], "--normalize has no effect without --embed"],
      [["--embed", "pool5", "-k", "3"], "--top-k has no effect beside --embed"],
      [["--embed", "pool5", "--crops", "ten"], "--crops has no effect beside --embed"],
      [["--embed", "pool9"], "--embed must be"],
      [["--embed", "conv5_4"], "layer must be one of"],
      [["--embed", "search", "--pooling", "avg"], "is pooled"],
      [["--fetch", "--offline"], "--fetch and --offline contradict each other"],
      [["--allow", "kat"], "no label"],
      [["--allow", "cat", "--deny", "dog"], "allow and deny"],
      [["cat.png"], "worker takes no files"],
    ] as const
  ) {
    const { code, stdout, stderr } = await runCli(["worker", "--model", CIFAR10, ...args]);
    assertEquals([code, stdout], [2, ""], stderr);
    assertStringIncludes(stderr, said);
  }
});

Deno.test("VGG16_OFFLINE is obeyed by pictures, too", async () => {
  const { code, stdout } = await runCli(["worker", "--model", CIFAR10, "--fetch"], {
    env: { VGG16_OFFLINE: "1" },
    stdin: line({ id: 1, url: "http://127.0.0.1:9/x.png" }),
  });
  assertEquals(code, 0);
  assertEquals(rowsOf(utf8(stdout)).slice(1).map(coded), [failed(1, "offline")]);
});

Deno.test("without the permission to fetch, a URL is answered by an error", async () => {
  const { code, stdout, stderr } = await runCli(["worker", "--model", CIFAR10, "--fetch"], {
    permissions: ["--allow-read"],
    stdin: concat([line({ id: 1, url: "http://127.0.0.1:8080/x.png" }), frame(2, PICTURES[2]!)]),
  });
  assertEquals([code, stderr], [0, ""]);
  const [refused, answer] = rowsOf(utf8(stdout)).slice(1);
  assertMatch(String((refused!.error as Row).message), /net access/);
  assertEquals(answer, predicted(2, 2));
});

Deno.test("worker --help shows the protocol", async () => {
  const { code, stdout } = await runCli(["worker", "--help"]);
  assertEquals(code, 0);
  assertMatch(stdout, /\{"id":1,"bytes":N\}/);
});
