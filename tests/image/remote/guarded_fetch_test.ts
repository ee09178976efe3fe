import { assertEquals, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import { ImageDecodeError } from "../../../lib/errors.ts";
import { fetchImage } from "../../../lib/image/fetch_image.ts";
import { guardedFetch, type GuardOptions } from "../../../lib/image/remote/guarded_fetch.ts";
import { CAT } from "../../support/http_service.ts";

/** After which something is taken to never end: a slow machine is not to be the reason of it. */
const NEVER_MS = 60_000;

/** Names of a small world, in which 127.0.0.1 alone counts as public. */
const NAMES: Record<string, string[]> = {
  "public.test": ["127.0.0.1"],
  "loopback.test": ["127.0.0.2"],
  "private.test": ["10.0.0.1"],
  "metadata.test": ["169.254.169.254"],
  "mapped.test": ["::ffff:10.0.0.1"],
  "both.test": ["127.0.0.1", "192.168.1.1"],
  "nowhere.test": [],
};

function options(given: Partial<GuardOptions> = {}): GuardOptions {
  return {
    maxBytes: 1_000_000,
    signal: AbortSignal.timeout(5000),
    resolve: (name) => {
      const addresses = NAMES[name];
      if (addresses === undefined) return Promise.reject(new Error("not found"));
      return Promise.resolve(
        addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      );
    },
    isAllowed: (address) => address === "127.0.0.1",
    ...given,
  };
}

async function withServer(
  answer: (request: Request) => Response | Promise<Response>,
  test: (base: string, seen: string[], ports: number[]) => Promise<void>,
): Promise<void> {
  const seen: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    seen.push(`${request.headers.get("host")?.split(":")[0]}${new URL(request.url).pathname}`);
    return answer(request);
  });
  try {
    await test(`http://public.test:${server.addr.port}`, seen, [server.addr.port]);
  } finally {
    await server.shutdown();
  }
}

/** What strangers are told of whatever they could map a network with. */
const UNREACHABLE = "no public server answers there";

/** The reason of a refusal for the log, which is that the stranger is told nothing. */
async function reason(url: string, given: Partial<GuardOptions> = {}): Promise<string> {
  let logged = "";
  const onRefusal = (host: string, reason: string): void => void (logged = `${host}: ${reason}`);
  const href = new URL(url).href;
  assertEquals(await refusal(url, { ...given, onRefusal }), `Cannot read ${href}: ${UNREACHABLE}`);
  return logged;
}

async function refusal(url: string, given: Partial<GuardOptions> = {}): Promise<string> {
  const error = await assertRejects(
    () => guardedFetch(new URL(url), options(given)),
    ImageDecodeError,
  );
  assertEquals(error.code, "image-fetch");
  return error.message;
}

function includes(text: string, part: string): void {
  assertEquals(text.includes(part), true, `"${text}" should include "${part}"`);
}

Deno.test("a file is fetched from the address that was checked, under its name", async () => {
  await withServer(() => new Response(CAT), async (base, seen, ports) => {
    assertEquals(await guardedFetch(new URL("/cat.png", base), options({ ports })), CAT);
    assertEquals(seen, ["public.test/cat.png"]);
  });
});

Deno.test("names at addresses that are not public are refused, if only one of them is", async () => {
  for (const name of ["loopback", "private", "metadata", "mapped", "both"]) {
    includes(await reason(`http://${name}.test/`), "which is not public");
  }
  includes(await reason("http://nowhere.test/"), "no address");
  includes(await reason("http://unknown.test/"), "cannot be resolved");
});

Deno.test("IP addresses in any spelling are refused with the real rule, without a look-up", async () => {
  const resolve = () => Promise.reject(new Error("must not be asked"));
  const spellings = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "0",
    "10.0.0.1",
    "169.254.169.254",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[64:ff9b::7f00:1]",
  ];
  for (const host of spellings) {
    const message = await reason(`http://${host}/`, { resolve, isAllowed: undefined });
    includes(message, "which is not public");
  }
});

Deno.test("the system's own look-up is checked too", async () => {
  const given = { resolve: undefined, isAllowed: undefined };
  includes(await reason("http://localhost/", given), "which is not public");
});

Deno.test("only http and https are fetched, and no user name is sent", async () => {
  for (
    const url of [
      "file:///etc/passwd",
      "ftp://public.test/",
      "data:image/png,x",
      "gopher://public.test/",
    ]
  ) {
    includes(await refusal(url), "expected http or https");
  }
  includes(await refusal("http://user:pass@public.test/"), "no user name");
});

Deno.test("a redirect is followed three times, and each target is checked", async () => {
  await withServer((request) => {
    const step = Number(new URL(request.url).pathname.slice(1));
    return step === 0 ? new Response(CAT) : Response.redirect(new URL(`/${step - 1}`, request.url));
  }, async (base, _seen, ports) => {
    const at = (path: string) => new URL(path, base).href;
    assertEquals(
      (await guardedFetch(new URL(at("/0")), options({ ports }))).length,
      CAT.length,
    );
    includes(await refusal(at("/4"), { ports }), "Cannot read");
  });
  await withServer((request) => {
    const { pathname, port } = new URL(request.url);
    const targets: Record<string, string> = {
      "/private": "http://private.test/x",
      "/decimal": "http://2130706434/x",
      "/metadata": "http://169.254.169.254/latest/meta-data",
      "/port": "http://public.test:22/",
      "/user": `http://user@public.test:${port}/`,
      "/file": "file:///etc/passwd",
      "/loop": `http://public.test:${port}/loop`,
      "/three": `http://public.test:${port}/two`,
      "/two": `http://public.test:${port}/one`,
      "/one": `http://public.test:${port}/end`,
    };
    const target = targets[pathname];
    if (target === undefined) return new Response(CAT);
    return new Response(null, { status: 302, headers: { location: target } });
  }, async (base, seen, [port]) => {
    const ports = [80, port];
    includes(await reason(`${base}/private`, { ports }), "private.test is at 10.0.0.1");
    includes(await reason(`${base}/decimal`, { ports }), "127.0.0.2");
    includes(await reason(`${base}/metadata`, { ports }), "169.254.169.254");
    includes(await refusal(`${base}/file`, { ports }), "expected http or https");
    includes(await refusal(`${base}/port`, { ports }), `expected port 80 or ${port}, found 22`);
    includes(await refusal(`${base}/user`, { ports }), "expected no user name");
    assertEquals(seen.length, 6);
    includes(await refusal(`${base}/loop`, { ports }), "more than 3 redirects");
    assertEquals(seen.length, 10);
    const bytes = await guardedFetch(new URL(`${base}/three`), options({ ports }));
    assertEquals(bytes.length, CAT.length);
  });
});

Deno.test("a file that is too long is cut off, one that takes too long is given up", async () => {
  const endless = () =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65536)),
      }),
    );
  await withServer(endless, async (base, _seen, ports) => {
    const error = await assertRejects(
      () => guardedFetch(new URL(base), options({ ports })),
      ImageDecodeError,
    );
    assertEquals(error.code, "image-bytes");
  });
  await withServer(
    () => new Promise((resolve) => setTimeout(() => resolve(new Response("x")), 300)),
    async (base, _seen, ports) => {
      const signal = AbortSignal.timeout(30);
      const error = await assertRejects(() =>
        guardedFetch(new URL(base), options({ signal, ports }))
      );
      assertEquals((error as Error).name, "TimeoutError");
    },
  );
});

Deno.test("a status that is no success is told, and whether a retry may help", async () => {
  for (
    const [status, retryable] of [[403, false], [404, false], [429, true], [503, true]] as const
  ) {
    await withServer(() => new Response("no", { status }), async (base, _seen, ports) => {
      const fetching = () => guardedFetch(new URL(base), options({ ports }));
      const error = await assertRejects(fetching, ImageDecodeError, `status ${status}`);
      assertEquals([error.status, error.retryable], [status, retryable]);
    });
  }
});

Deno.test("a retry tells no private address from one that does not answer", async () => {
  for (const url of ["http://private.test/", "http://unknown.test/"]) {
    const fetching = () => guardedFetch(new URL(url), options());
    assertEquals(
      (await assertRejects(fetching, ImageDecodeError, UNREACHABLE)).retryable,
      true,
      url,
    );
  }
});

Deno.test("a fetch that is given up while its name is looked up ends at once", async () => {
  const signal = AbortSignal.timeout(30);
  const looking = new Promise<never>(() => {});
  const fetching = guardedFetch(
    new URL("http://public.test/"),
    options({ signal, resolve: () => looking }),
  );
  const ended = fetching.catch((error) => error.name);
  assertEquals(await Promise.race([ended, delay(NEVER_MS)]), "TimeoutError");
});

Deno.test("what does not answer is told like what is not there", async () => {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr;
  const url = `http://public.test:${port}/`;
  includes(await reason(url, { ports: [port], answerMs: 50 }), "no answer within 50 ms");
  const looking = new Promise<never>(() => {});
  includes(
    await reason("http://public.test/", { answerMs: 50, resolve: () => looking }),
    "no answer",
  );
  silent.close();
  includes(await reason(url, { ports: [port] }), `public.test:${port}: `);
  // A server that closes the connection.
  const rude = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closing = (async () => {
    for await (const connection of rude) connection.close();
  })();
  includes(
    await reason(`http://public.test:${rude.addr.port}/`, { ports: [rude.addr.port] }),
    "public",
  );
  rude.close();
  await closing;
});

Deno.test("ports are 80 and 443, unless others are allowed", async () => {
  for (
    const url of ["http://public.test:81/", "https://public.test:8443/", "http://private.test:22/"]
  ) {
    includes(await refusal(url), "expected port 80 or 443, found");
  }
  includes(await refusal("https://public.test/", { ports: [80] }), "expected port 80, found 443");
});

Deno.test("fetchImage() takes strangers' URLs: public addresses alone, within bounds, by checked options", async () => {
  const { resolve, isAllowed } = options();
  await withServer(() => new Response(CAT), async (base, _seen, ports) => {
    const given = { resolve, isAllowed, ports };
    assertEquals(await fetchImage(`${base}/cat.png`, given), CAT);
    const long = await assertRejects(() => fetchImage(base, { ...given, maxBytes: 100 }));
    assertEquals((long as ImageDecodeError).code, "image-bytes");
    const own = await assertRejects(
      () => fetchImage(base.replace("public.test", "127.0.0.1"), { ports }),
      ImageDecodeError,
      UNREACHABLE,
    );
    assertEquals([own.code, own.retryable], ["image-fetch", true]);
    assertEquals(
      own.cause instanceof Error && own.cause.message,
      "127.0.0.1 is at 127.0.0.1, which is not public",
    );
  });
  // A stranger's text, and no fault of the program's.
  for (const text of ["cat.png", "hello", "", "http://[::", "http://user:hunter2@[x/"]) {
    const none = await assertRejects(() => fetchImage(text), ImageDecodeError, "http or https URL");
    assertEquals([none.code, none.retryable, none.message.includes("hunter2")], [
      "image-fetch",
      false,
      false,
    ]);
  }
  const typo = { maxByte: 1, maxBytes: 1 };
  await assertRejects(() => fetchImage("http://public.test/", typo), RangeError, "maxByte");
});
