import { assert, assertEquals } from "@std/assert";
import { until } from "../../support/serve_process.ts";
import { CAT, postJson, testService } from "../../support/http_service.ts";
import type { ServiceOptions } from "../../../lib/http/service.ts";

interface World {
  /** Where a file of a host is. */
  at(host: string, path: string): string;
  /** What the hosts were asked for, in order. */
  readonly asked: string[];
  /** Requests that hosts have not answered, by host. */
  readonly open: Map<string, number>;
  /** Lets hosts answer. */
  answer(): void;
  /** Posts URLs to a service. */
  post(url: string | string[]): Promise<Response>;
  /** Lines of its log. */
  readonly lines: Record<string, unknown>[];
}

/**
 * A service, and servers at addresses of their own: `a` is at 127.0.1.1, `b` at 127.0.1.2 and so on, under
 * any name that begins so. They answer once they are let.
 */
async function withWorld(
  options: ServiceOptions,
  test: (world: World) => Promise<void>,
  file: () => BodyInit = () => CAT,
): Promise<void> {
  const gate = Promise.withResolvers<void>();
  const asked: string[] = [],
    open = new Map<string, number>(),
    lines: Record<string, unknown>[] = [];
  const count = (host: string, n: number) => open.set(host, (open.get(host) ?? 0) + n);
  const server = Deno.serve({ hostname: "0.0.0.0", port: 0, onListen() {} }, async (request) => {
    const { hostname, pathname } = new URL(request.url), host = hostname[0];
    asked.push(host + pathname);
    count(host, 1);
    await gate.promise;
    count(host, -1);
    const to = new URL(request.url).searchParams.get("to");
    return to === null
      ? new Response(file())
      : new Response(null, { status: 302, headers: { location: to } });
  });
  const { port } = server.addr;
  const addressOf = (name: string) => `127.0.1.${name.charCodeAt(0) - 96}`;
  const service = testService({
    urlInput: true,
    urlPorts: [port],
    maxQueue: 256,
    maxImages: 64,
    logLevel: "info",
    writeLog: (line) => lines.push(JSON.parse(line)),
    remote: {
      resolve: (name) => Promise.resolve([{ address: addressOf(name), family: 4 }]),
      isAllowed: (address) => address.startsWith("127.0.1."),
    },
    ...options,
  });
  try {
    await test({
      ...{ asked, open, lines, answer: gate.resolve },
      at: (host, path) => `http://${host}.test:${port}/${path}`,
      post: (url) => service.fetch(postJson("/classify?topK=1", { url })),
    });
  } finally {
    gate.resolve();
    await server.shutdown();
  }
}

const total = ({ open }: World): number => [...open.values()].reduce((sum, n) => sum + n, 0);
/** Lets all that is ready run. */
const settle = async (): Promise<void> => {
  for (let n = 0; n < 20; n++) await new Promise((resolve) => setTimeout(resolve, 5));
};

Deno.test("equal URLs of a request are fetched once, and each is answered", async () => {
  await withWorld({}, async ({ at, post, asked, answer }) => {
    answer();
    const url = at("a", "cat.png");
    const list = [url, `${url}#one`, url.replace("a.test", "A.TEST"), at("b", "cat.png"), url];
    const results = await (await post(list)).json();
    const labels = results.map((r: { predictions: { label: string }[] }) => r.predictions[0].label);
    assertEquals(labels, Array(5).fill("cat"));
    assertEquals(asked.sort(), ["a/cat.png", "b/cat.png"]);
    await (await post(url)).body?.cancel(); // Another request is not told of it.
    assertEquals(asked.length, 3);
  });
});

Deno.test("eight downloads go at once, over all requests, and two from a host, whatever its names", async () => {
  await withWorld({}, async (world) => {
    const { at, post, open, asked, answer } = world;
    const ofHost = (host: string) => Array.from({ length: 8 }, (_, n) => at(`${host}${n}`, `${n}`));
    const first = post([..."ab"].flatMap(ofHost));
    await until(() => total(world) === 4);
    await settle();
    assertEquals(Object.fromEntries(open), { a: 2, b: 2 });
    const others = [..."cdefg"].map((host) => post(ofHost(host)));
    await until(() => total(world) === 8);
    await settle();
    assertEquals([total(world), Math.max(...open.values())], [8, 2]);
    answer();
    for (const response of await Promise.all([first, ...others])) {
      const results = await response.json();
      assert(results.every((r: { predictions?: unknown }) => r.predictions !== undefined));
    }
    assertEquals(asked.length, 7 * 8);
  });
});

Deno.test("a host that keeps its downloads waiting keeps no other host's", async () => {
  await withWorld({}, async (world) => {
    const { at, post, open, answer } = world;
    const slow = post(Array.from({ length: 20 }, (_, n) => at("a", `${n}`)));
    await until(() => open.get("a") === 2);
    const other = post(at("b", "cat.png"));
    await until(() => open.get("b") === 1);
    answer();
    for (const response of [await slow, await other]) await response.body?.cancel();
  });
});

Deno.test("a redirect waits for the host that it leads to", async () => {
  await withWorld({}, async (world) => {
    const { at, post, asked, answer } = world;
    answer();
    const results = await (await post([`${at("a", "x")}?to=${at("b", "cat.png")}`])).json();
    assertEquals(results[0].predictions[0].label, "cat");
    assertEquals(asked, ["a/x", "b/cat.png"]);
  });
});

Deno.test("the URLs of a request bring no more than maxUrlBytes together, with or without their sizes", async () => {
  const part = new Uint8Array(50_000);
  const streamed = () => {
    let parts = 4;
    return new ReadableStream({
      pull: (controller) => parts-- > 0 ? controller.enqueue(part) : controller.close(),
    });
  };
  for (const file of [() => new Uint8Array(200_000), streamed]) {
    await withWorld({ maxUrlBytes: 500_000 }, async ({ at, post, answer, asked }) => {
      answer();
      const response = await post(Array.from({ length: 30 }, (_, n) => at("a", `${n}`)));
      const results = await response.json();
      const codes = results.map((r: { error: { code: string } }) => r.error.code);
      const read = codes.filter((code: string) => code === "image-format").length;
      assert(read <= 2, `${read}`);
      assertEquals(codes.filter((code: string) => code === "body-too-large").length, 30 - read);
      const { detail } = results.at(-1).error;
      assertEquals(
        detail,
        "Expected at most 500000 bytes from the URLs of a request together, found more",
      );
      // Once it is used up, nobody is asked.
      assert(asked.length <= 5, `${asked.length}`);
      // Every request has its own.
      await (await post(at("b", "x"))).body?.cancel();
      assertEquals(asked.at(-1), "b/x");
    }, file);
  }
});

Deno.test("strangers are told the same of what is unknown, private and unreachable, and the log has the reason", async () => {
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = closed.addr;
  closed.close();
  const remote = {
    resolve: (name: string) =>
      name === "unknown.test" ? Promise.reject(new Error("not found")) : Promise.resolve([{
        address: name === "down.test" ? "127.0.0.1" : "10.0.0.1",
        family: 4,
      }]),
    isAllowed: (address: string) => address === "127.0.0.1",
  };
  await withWorld({ urlPorts: [port], remote }, async ({ post, lines }) => {
    const answers = [];
    for (const name of ["unknown", "private", "down"]) {
      const response = await post(`http://${name}.test:${port}/secret?x=y`);
      const headers = [...response.headers].filter(([header]) => header !== "x-request-id");
      answers.push([response.status, headers, (await response.text()).replaceAll(name, "NAME")]);
    }
    assertEquals(answers[0][0], 422);
    assertEquals(answers[1], answers[0]);
    assertEquals(answers[2], answers[0]);
    const logged = lines.filter(({ message }) => message === "url");
    assertEquals(
      logged.map(({ host }) => host),
      ["unknown", "private", "down"].map((n) => `${n}.test:${port}`),
    );
    for (const [n, words] of ["cannot be resolved", "10.0.0.1", "ECONNREFUSED"].entries()) {
      assert(String(logged[n].reason).includes(words), JSON.stringify(logged[n]));
      assertEquals(typeof logged[n].requestId, "string");
    }
    assertEquals(JSON.stringify(lines).includes("secret"), false);
  });
});

Deno.test("a URL is classified where that is switched on, and one that is not public is a problem", async () => {
  await withWorld({}, async ({ at, answer, post }) => {
    answer();
    const cat = at("a", "cat.png"), refused = await post("http://10.0.0.1/");
    assertEquals([refused.status, (await refused.json()).code], [422, "image-fetch"]);
    assertEquals((await (await post(cat)).json())[0].label, "cat");
    const [first, second] = await (await post([cat, "http://10.0.0.1/"])).json();
    assertEquals([first.predictions[0].label, second.error.code], ["cat", "image-fetch"]);
  });
});

Deno.test("a file that is larger than a body may be is a problem of the image", async () => {
  await withWorld({ maxBodyBytes: 1000 }, async ({ at, answer, post }) => {
    answer();
    const response = await post(at("a", "cat.png"));
    assertEquals([response.status, (await response.json()).code], [413, "image-bytes"]);
  });
});

Deno.test("a service that is offline fetches no URL, whatever else is switched on", async () => {
  await withWorld({ offline: true }, async ({ at, asked, answer, post }) => {
    answer();
    assertEquals((await (await post(at("a", "cat.png"))).json()).code, "url-input-off");
    assertEquals(asked, []);
  });
});
