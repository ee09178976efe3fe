import { assertEquals } from "@std/assert";
import { devTest } from "../support/dev_packages.ts";
import { CAT } from "../support/http_service.ts";
import { freePort, startServer, until } from "../support/serve_process.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts nginx with the project's configuration, for these replicas. */
async function startNginx(
  ports: readonly number[],
): Promise<{ url: string; stop: () => Promise<void> }> {
  const folder = await Deno.makeTempDir(), port = freePort();
  const file = new URL("../../deploy/nginx.conf", import.meta.url);
  const text = (await Deno.readTextFile(file))
    .replace("pid /run/nginx.pid;", `pid ${folder}/pid;\ndaemon off;\nerror_log stderr crit;`)
    .replace("127.0.0.1:8000", `127.0.0.1:${port}`)
    .replace("127.0.0.1:8001", `127.0.0.1:${ports[0]}`)
    .replace("127.0.0.1:8002", `127.0.0.1:${ports[1]}`)
    .replace("worker_processes auto;", "worker_processes 1;")
    // It keeps no head of an answer to itself: the test has to know of each.
    .replace("access_log off;", "access_log off;\n  postpone_output 0;");
  await Deno.writeTextFile(`${folder}/nginx.conf`, text);
  const child = new Deno.Command("nginx", { args: ["-c", `${folder}/nginx.conf`, "-p", folder] })
    .spawn();
  const url = `http://127.0.0.1:${port}`;
  await until(() =>
    fetch(`${url}/livez`).then((r) => r.body?.cancel()).then(() => true, () => false)
  );
  return {
    url,
    stop: async () => {
      child.kill("SIGQUIT");
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** What nginx keeps to itself, and what a browser's page may do through it. */
async function checkDoors(url: string): Promise<void> {
  const { host, port } = new URL(url);
  for (
    const path of [
      ...["/metrics", "/metrics?x", "/metrics/", "//metrics", "/./metrics", "/x/../metrics"],
      ...[
        "/%6detrics",
        "/%2e/metrics",
        "/.\\metrics",
        "/x/..\\metrics",
        "/\\metrics",
        "/metrics#x",
      ],
    ]
  ) {
    const answer = await sendRaw(Number(port), `GET ${path} HTTP/1.1\r\nhost: ${host}`);
    assertEquals(/^HTTP\/1.1 40[04] /.test(answer), true, `${path}: ${answer}`);
    assertEquals(answer.includes("vgg16_"), false, path);
  }
  // It is nginx that says so, where the service would be mounted there.
  const below = await sendRaw(Number(port), `GET /api/vision/metrics HTTP/1.1\r\nhost: ${host}`);
  assertEquals([below.startsWith("HTTP/1.1 404 "), below.includes("x-request-id")], [true, false]);
  const status = async (headers: Record<string, string>): Promise<number> => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const answer = await sendRaw(Number(port), ["GET /v2 HTTP/1.1", ...lines].join("\r\n"));
    return Number(answer.split(" ")[1]);
  };
  assertEquals(await status({ host, origin: url }), 200);
  assertEquals(await status({ host, origin: "http://evil.example" }), 403);
  assertEquals(await status({ host: "photos.example", origin: "https://photos.example" }), 200);
  assertEquals(await status({ host: "evil.example" }), 403);
}

async function sendRaw(port: number, head: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(`${head}\r\nconnection: close\r\n\r\n`));
  return await new Response(connection.readable).text();
}

devTest(
  "replicas behind nginx: one is stopped, one is killed, and every request is answered alike",
  {
    file: import.meta.url,
    programs: { nginx: "nginx-light" },
  },
  async () => {
    const drain = { env: { VGG16_DRAIN_DELAY_MS: "500", VGG16_HOSTS: "photos.example" } };
    const replicas = [await startServer("run", drain), await startServer("run", drain)];
    const nginx = await startNginx(replicas.map(({ port }) => port));
    const answers: string[] = [];
    let isDone = false;
    /** Answers whose head has come, and whose body has not. */
    let halves = 0;
    const client = async (): Promise<void> => {
      while (!isDone) {
        const response = await fetch(`${nginx.url}/classify`, { method: "POST", body: CAT });
        halves++;
        answers.push(`${response.status} ${await response.text()}`);
        halves--;
      }
    };
    const clients = Array.from({ length: 4 }, client);
    await checkDoors(nginx.url);
    const more = async (): Promise<void> => {
      const before = answers.length;
      await until(() => answers.length > before + 30);
    };
    await more();
    assertEquals(await replicas[0].stop("SIGTERM"), 0);
    await more();
    // Back on its port, and once nginx has noticed (after its fail_timeout), the other one is gone
    // without a word.
    const again = await startServer("run", { ...drain, port: replicas[0].port });
    await until(() => again.lines.some(({ path }) => path === "/classify"));
    // Deno sends the head of an answer before its body, and nobody could ask elsewhere for the rest: so
    // it is killed in the middle of its work, but of no answer.
    await until(async () => {
      Deno.kill(replicas[1].pid, "SIGSTOP");
      // What it had sent before has come once nginx, which does one thing after the other, has answered itself.
      for (let n = 0; n < 3; n++) await (await fetch(`${nginx.url}/metrics`)).body?.cancel();
      // The other replica's answers go on; a half of this one would stay.
      for (let n = 0; n < 50 && halves > 0; n++) await sleep(5);
      if (halves > 0) Deno.kill(replicas[1].pid, "SIGCONT");
      return halves === 0;
    });
    await replicas[1].stop("SIGKILL");
    await more();
    isDone = true;
    await Promise.all(clients);
    await nginx.stop();
    await again.stop();
    assertEquals(new Set(answers).size, 1, [...new Set(answers)].join("\n"));
    const [answer] = answers;
    assertEquals(answer.startsWith('200 [{"label":"cat"'), true, answer);
    for (const { lines } of [...replicas, again]) {
      assertEquals(lines.some(({ path, status }) => path === "/classify" && status === 200), true);
    }
  },
);
