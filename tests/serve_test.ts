import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { flagName } from "../lib/options.ts";
import { LISTEN_OPTIONS, SETTINGS } from "../lib/options/service.ts";
import { CAT } from "./support/http_service.ts";
import { freePort, runToEnd, type Server, startServer, until } from "./support/serve_process.ts";
import { CIFAR10, CIFAR10_FILE } from "./support/cifar10.ts";

async function label(url: string): Promise<string> {
  const response = await fetch(`${url}/classify`, { method: "POST", body: CAT });
  return (await response.json())[0].label;
}

/** Sends bytes on a connection of its own, and reads until the server closes it or has answered. */
async function rawRequest(server: Server, ...parts: (string | number)[]): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  for (const part of parts) {
    if (typeof part === "number") await new Promise((resolve) => setTimeout(resolve, part));
    else await connection.write(new TextEncoder().encode(part));
  }
  const answer = new Uint8Array(65_536);
  const length = await connection.read(answer) ?? 0;
  return new TextDecoder().decode(answer.subarray(0, length));
}

const HEAD = "POST /classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n";

for (const mode of ["run", "alone", "serve", "parallel"] as const) {
  Deno.test(`deno ${mode} serves with the permissions of the README, and ends on a signal`, async () => {
    const server = await startServer(mode);
    assertEquals(await label(server.url), "cat");
    const page = await fetch(server.url, { headers: { accept: "text/html" } });
    assertStringIncludes(await page.text(), "What is in the picture?");
    // It knows that it listens on loopback, and so who may call it.
    assertEquals(server.lines.find(({ message }) => message === "listening")?.keys, 0);
    const ask = async (head: string) => {
      const answer = await rawRequest(server, `GET ${head}\r\nconnection: close\r\n\r\n`);
      return Number(/^HTTP\/1\.\d (\d+)/.exec(answer)?.[1]);
    };
    assertEquals(await ask(`/metrics HTTP/1.1\r\nhost: localhost:${server.port}`), 200);
    assertEquals(await ask("/metrics HTTP/1.0"), 200);
    assertEquals(await ask("/metrics HTTP/1.1\r\nhost: evil.example"), 403);
    assertEquals(await ask("http://evil.example/metrics HTTP/1.1\r\nhost: localhost"), 403);
    assertEquals(await ask("/metrics HTTP/1.1\r\nhost: localhost\r\nhost: evil.example"), 400);
    assertEquals(await ask("/readyz HTTP/1.1\r\nhost: a b<>"), 400);
    assertEquals(await ask("/readyz HTTP/1.1\r\nhost: x:99999"), 400);
    assertEquals(await ask("/.\\metrics HTTP/1.1\r\nhost: localhost"), 400);
    assertEquals(await server.stop(mode === "run" ? "SIGINT" : "SIGTERM"), 0);
    assert(server.lines.some(({ message }) => message === "stopped"));
  });
}

Deno.test("each worker of deno serve --parallel learns where it listens", async () => {
  const server = await startServer("parallel", { host: "0.0.0.0" });
  // So many connections at once reach every worker.
  const answers = (): Promise<string[]> =>
    Promise.all(
      Array.from({ length: 64 }, () =>
        rawRequest(
          server,
          "GET /livez HTTP/1.1\r\nhost: app.example\r\nconnection: close\r\n\r\n",
        )),
    );
  await until(async () => (await answers()).every((answer) => answer.startsWith("HTTP/1.1 200")));
  await server.stop();
});

Deno.test("without --port it would listen at port 8000 of the loopback interface", async () => {
  const { code, stderr } = await runToEnd([]); // It is not permitted to.
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, "error: Cannot listen on 127.0.0.1:8000: Requires net access");
  assert(!stderr.includes("    at "), stderr);
});

Deno.test("a port that is taken ends the start with a message and no stack", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const permissions = [`--allow-net=127.0.0.1:${port}`];
  const { code, stderr } = await runToEnd(["--port", `${port}`], {}, permissions);
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, `error: Cannot listen on 127.0.0.1:${port}: `);
  assert(!stderr.includes("    at "), stderr);
});

Deno.test("flags and variables configure the server", async () => {
  const server = await startServer("run", {
    flags: ["--max-body-bytes", "1000"],
    env: { VGG16_KEYS: "a-key", VGG16_MAX_BODY_BYTES: "5" },
  });
  const response = await fetch(`${server.url}/classify`, {
    method: "POST",
    body: CAT,
    headers: { authorization: "Bearer a-key" },
  });
  assertEquals(response.status, 413);
  assertStringIncludes((await response.json()).detail, "at most 1000 bytes");
  await server.stop();
});

Deno.test("a key of digits keeps its zeros", async () => {
  const server = await startServer("run", { flags: ["--keys", "0070"] });
  const statusFor = async (key: string): Promise<number> => {
    const headers = { authorization: `Bearer ${key}` };
    const response = await fetch(`${server.url}/classify`, { method: "POST", body: CAT, headers });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await statusFor("0070"), await statusFor("70")], [200, 401]);
  await server.stop();
});

Deno.test("keys that are named and empty end the start; others are counted, and not told", async () => {
  for (const keys of ["", " , ", "a,"]) {
    const { code, stdout, stderr } = await runToEnd([], { VGG16_KEYS: keys });
    assertEquals([code, stdout], [2, ""], keys);
    assertStringIncludes(stderr, "VGG16_KEYS must be a list of one or more keys");
  }
  const { code } = await runToEnd(["--keys= , "]);
  assertEquals(code, 2);
  const flags = ["--log-level", "debug", "--keys", "0123456789,secret-key"];
  const server = await startServer("run", { flags });
  const ask = async (key: string) => {
    const headers = { authorization: `Bearer ${key}` };
    return await fetch(`${server.url}/metrics`, { headers }).then(statusOf);
  };
  assertEquals([await ask("0123456789"), await ask("secret-key"), await ask("true")], [
    200,
    200,
    401,
  ]);
  await server.stop();
  const text = JSON.stringify(server.lines);
  assertStringIncludes(text, '"keys":2');
  assert(!text.includes("0123456789") && !text.includes("secret-key"));
});

Deno.test("a model that could not be loaded is tried again by the server, not by those who ask whether it is ready", async () => {
  const model = await Deno.readFile(CIFAR10_FILE);
  let isBroken = true;
  const source = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(isBroken ? "this is no model" : model),
  );
  const port = freePort();
  const starting = startServer("run", {
    port,
    flags: ["--model", `http://127.0.0.1:${source.addr.port}/model.safetensors`],
    permissions: [`--allow-net=127.0.0.1:${source.addr.port}`],
  });
  const ready = () => fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
  // It listens, and the first load has failed.
  await until(async () => {
    const response = await ready();
    await response?.body?.cancel();
    return response?.headers.has("retry-after") ?? false;
  });
  for (let n = 0; n < 10; n++) assertEquals(await statusOf((await ready())!), 503);
  isBroken = false;
  const server = await starting;
  const loads = server.lines.filter(({ message }) => message === "load");
  // It may have tried once more meanwhile.
  assertEquals(loads.map(({ waitMs }) => waitMs), [1000, 2000].slice(0, loads.length));
  assertEquals(await label(server.url), "cat");
  await server.stop();
  await source.shutdown();
});

Deno.test("deno run without --port listens on a busy machine, too, where the model is loaded first", async () => {
  const preload = await Deno.makeTempFile({ suffix: ".js" });
  // The timer then runs before Deno sees that there is nothing left to do.
  await Deno.writeTextFile(preload, "Deno.unrefTimer = () => {};");
  const server = await startServer("alone", { permissions: [`--preload=${preload}`] });
  assertEquals(await label(server.url), "cat");
  assertEquals(await server.stop(), 0);
  await Deno.remove(preload);
});

for (const mode of ["run", "alone", "parallel"] as const) {
  Deno.test(`deno ${mode} holds requests to the keys, and has none in its environment if it can`, async () => {
    const folder = await Deno.makeTempDir();
    const watch = join(folder, "watch.js");
    // Says with the first requests what the environment has.
    await Deno.writeTextFile(
      watch,
      `const { log } = console;
      console.log = (line) => log(JSON.stringify({
        ...JSON.parse(line),
        isThere: Deno.env.has("VGG16_KEYS"),
      }));`,
    );
    const server = await startServer(mode, {
      env: { VGG16_KEYS: "a-key" },
      permissions: [`--preload=${watch}`],
    });
    const statuses = await Promise.all(Array.from({ length: 20 }, async (_, n) => {
      const headers = { authorization: `Bearer ${n % 2 ? "a-key" : "another"}` };
      const url = `${server.url}/classify`;
      const response = await fetch(url, { method: "POST", body: CAT, headers });
      await response.body?.cancel();
      return response.status;
    }));
    assertEquals(statuses, statuses.map((_, n) => n % 2 ? 200 : 401));
    const requests = server.lines.filter(({ message }) => message === "request");
    // Workers have one environment, and the last has yet to read what the first has read.
    const wanted = mode === "parallel" ? [] : requests.map(() => false);
    assertEquals(requests.slice(0, wanted.length).map(({ isThere }) => isThere), wanted);
    assertEquals(requests.length, 20);
    await server.stop();
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("serve.ts --help lists every flag, and nothing listens", async () => {
  const { code, stdout, stderr } = await runToEnd(["--help"]);
  assertEquals([code, stderr], [0, ""]);
  const flags = [...stdout.matchAll(/^ {2}(?:-\w, | {4})--([a-z-]+)/gm)].map(([, flag]) => flag);
  const taken = Object.keys({ ...LISTEN_OPTIONS, ...SETTINGS }).map(flagName);
  assertEquals(flags.sort(), [...taken, "help"].sort());
  assertEquals(stdout.split("\n").filter((line) => line.length > 80), []);
});

Deno.test("a typo in a variable or a flag ends the start with a message and no stack", async () => {
  const cases: [string[], Record<string, string>, string][] = [
    [[], { VGG16_MAXBATCH: "3" }, "did you mean VGG16_MAX_BATCH?"],
    [["--max-batches", "3"], {}, "did you mean --max-batch?"],
    [["--max-batch", "1000"], {}, "--max-batch must be an integer from 1 to 64: found 1000"],
    [["--threads", "100"], {}, '--threads must be an integer from 1 to 64, or "auto": found 100'],
    [[], { VGG16_THREADS: "100" }, 'VGG16_THREADS must be an integer from 1 to 64, or "auto"'],
    [["--port", "many"], {}, '--port must be an integer from 0 to 65535: found "many"'],
    [["now"], {}, 'found "now"'],
    [["--keys", "--port", "8000"], {}, "--keys needs a value"],
  ];
  for (const [args, env, message] of cases) {
    const { code, stderr } = await runToEnd(args, env);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, message);
    assert(!stderr.includes("    at "), stderr);
  }
});

Deno.test("a sender that is too slow is cut off with 408, and one that breaks off harms nobody", async () => {
  const server = await startServer("run", { flags: ["--body-timeout-ms", "200"] });
  const slow = await rawRequest(server, `${HEAD}content-length: 1000\r\n\r\nabc`, 50, "def");
  assertStringIncludes(slow, "408");
  for (let i = 0; i < 20; i++) {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(new TextEncoder().encode(`${HEAD}content-length: 1000\r\n\r\nabc`));
  }
  assertStringIncludes(await rawRequest(server, "nonsense\r\n\r\n"), "400");
  assertEquals(await label(server.url), "cat");
  const gone = () => server.lines.filter(({ problem }) => problem === "client-gone").length;
  await until(() => gone() === 20);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assertStringIncludes(metrics, "vgg16_queue_images 0");
  await server.stop();
});

Deno.test("SIGTERM under load: /readyz turns 503 first, and every request that reached the service is answered", async () => {
  const server = await startServer("run", { flags: ["--drain-delay-ms", "2000"] });
  let isStopping = false;
  const answered = new Set<string>(), unanswered = new Set<string>();
  const client = async (_: unknown, n: number): Promise<void> => {
    for (let i = 0;; i++) {
      const id = `${n}-${i}`;
      try {
        (await rawClassify(server, id) ? answered : unanswered).add(id);
      } catch {
        unanswered.add(id); // The port is closed, or the connection was closed unread.
        if (isStopping) return;
      }
    }
  };
  const clients = Array.from({ length: 8 }, client);
  await until(() => answered.size > 20);
  const ended = server.stop();
  await server.seen("draining");
  isStopping = true;
  assertEquals(await fetch(`${server.url}/readyz`).then(statusOf), 503);
  await Promise.all(clients);
  assertEquals(await ended, 0);
  const accepted = server.lines.filter(({ path }) => path === "/classify");
  assertEquals(accepted.filter(({ requestId }) => unanswered.has(String(requestId))), []);
  assertEquals(accepted.length, answered.size);
  assertEquals(server.lines.at(-1)!.unanswered, 0);
});

/** One classification on a connection of its own: whether the whole answer came. */
async function rawClassify(server: Server, id: string): Promise<boolean> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const head =
    `${HEAD}connection: close\r\nx-request-id: ${id}\r\ncontent-length: ${CAT.length}\r\n\r\n`;
  await writeAll(connection, new TextEncoder().encode(head));
  await writeAll(connection, CAT);
  let text = "";
  for await (const part of connection.readable) text += new TextDecoder().decode(part);
  return text.includes('"cat"') && text.trimEnd().endsWith("]");
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

async function statusOf(response: Response): Promise<number> {
  await response.body?.cancel();
  return response.status;
}

Deno.test("other programs may mount what serve.ts exports, whatever it was told", async () => {
  const code = `
    import service from "./serve.ts";
    await service.warmUp();
    const body = await Deno.readFile("tests/data/photos/cat.png");
    const request = new Request("http://localhost/api/classify", { method: "POST", body });
    const [best] = await (await service.fetch(request)).json();
    console.log(service.ready, best.label, (await service.metrics()).includes("vgg16_ready 1"));
    await service.close();
    console.log(service.ready);`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", "--ext=js", code],
    env: { VGG16_MODEL: CIFAR10, VGG16_LOG_LEVEL: "off", VGG16_BASE_PATH: "/api", NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  assertEquals(text(stdout), "true cat true\nfalse\n", text(stderr));
});

Deno.test("who asks serve.ts to listen is not asked whether `deno serve` was meant, and exports it nevertheless", async () => {
  // Deno looks at the export once the module has run, and says what it thinks of it.
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", "serve.ts", "--port", "0"],
    env: { VGG16_MODEL: CIFAR10, NO_COLOR: "1" },
    ...{ stdout: "piped", stderr: "piped" },
  }).spawn();
  let log = "";
  for await (const part of child.stdout.values({ preventCancel: true })) {
    log += new TextDecoder().decode(part);
    if (log.includes('"ready"')) break;
  }
  child.kill("SIGTERM");
  const { stderr, success } = await child.output();
  assertEquals([new TextDecoder().decode(stderr), success], ["", true]);
});
