import { assertEquals, assertStringIncludes } from "@std/assert";
import type { ServiceOptions } from "../../../lib/http/service.ts";
import type { HttpService } from "../../../lib/http/server/http_service.ts";
import { CAT, get, post, testService } from "../../support/http_service.ts";

/** A service that listens at some addresses. */
function listening(addresses: readonly string[], options: ServiceOptions = {}): HttpService {
  const service = testService(options);
  for (const hostname of addresses) service.listens({ hostname, port: 8000 });
  return service;
}

async function status(
  service: HttpService,
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<number> {
  const request = new Request(`http://127.0.0.1:8000${path}`, { method, headers });
  const response = await service.fetch(request);
  await response.body?.cancel();
  return response.status;
}

const LOOPBACK_HOSTS = [
  ...["localhost", "localhost:8000", "LocalHost:8000", "localhost.", "localhost.:8000"],
  ...["127.0.0.1", "127.0.0.1:8000", "127.1.2.3:1", "127.1", "2130706433:8000"],
  ...["[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]:80", "[::ffff:127.0.0.1]:8000", "localhost:"],
];
const OTHER_HOSTS = [
  ...[
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "evil-localhost",
    "notlocalhost",
  ],
  ...[
    "127.0.0.1.evil.example",
    "sub.localhost",
    "0.0.0.0:8000",
    "[::]:8000",
    "10.0.0.1",
    "128.0.0.1",
  ],
  ...["[::2]", "[::ffff:10.0.0.1]", "[fe80::1]", "169.254.169.254"],
];
const NO_HOSTS = [
  ...[
    "",
    "user@localhost",
    "localhost@evil.example",
    "[::1%25lo]:80",
    "[fe80::1%eth0]",
    "[::1",
    "::1",
  ],
  ...["localhost:99999", "localhost:x", "localhost:80:80", "localhost/evil", "localhost\\evil"],
  ...[
    "localhost#evil",
    "localhost?evil",
    "localhost, evil.example",
    "localhost evil",
    "a b<>",
    "é",
  ],
];

Deno.test("a service on loopback without keys is called by loopback's names and addresses alone", async () => {
  for (const address of ["127.0.0.1", "::1", "127.0.0.2", "::ffff:127.0.0.1", "localhost"]) {
    const service = listening([address]);
    for (const host of LOOPBACK_HOSTS) {
      assertEquals(await status(service, "/v2", { host }), 200, host);
    }
    for (const path of ["/metrics", "/", "/livez", "/readyz", "/nothing"]) {
      for (const host of OTHER_HOSTS) {
        assertEquals(await status(service, path, { host }), 403, host);
      }
    }
    for (const host of NO_HOSTS) assertEquals(await status(service, "/v2", { host }), 400, host);
  }
});

Deno.test("a request without Host names the one of its URL, and one of a proxy's form both", async () => {
  const ask = async (service: HttpService, url: string, headers = {}): Promise<number> => {
    const response = await service.fetch(new Request(url, { headers }));
    await response.body?.cancel();
    return response.status;
  };
  const service = listening(["127.0.0.1"]);
  assertEquals(await ask(service, "http://localhost:8000/v2"), 200);
  assertEquals(await ask(service, "http://evil.example/v2"), 403);
  assertEquals(await ask(service, "http://evil.example/v2", { host: "localhost" }), 403);
  assertEquals(await ask(service, "http://localhost/v2", { host: "evil.example" }), 403);
  // A framework may make its requests' URLs of what it likes.
  const handler = testService({ hosts: ["app.example"] });
  assertEquals(await ask(handler, "http://localhost:3000/v2", { host: "app.example" }), 200);
});

Deno.test("hosts names those by which it may be called also, with any port or one", async () => {
  const service = listening(["127.0.0.1"], {
    hosts: ["App.example", "b.example:8443", "[2001:db8::1]"],
  });
  const good = [
    "app.example",
    "APP.example.",
    "app.example:1",
    "b.example:8443",
    "[2001:db8::1]:80",
  ];
  for (const host of [...good, "localhost"]) {
    assertEquals(await status(service, "/v2", { host }), 200, host);
  }
  for (const host of ["b.example", "b.example:8444", "c.app.example", "[2001:db8::2]"]) {
    assertEquals(await status(service, "/v2", { host }), 403, host);
  }
});

Deno.test("elsewhere, with keys and as a handler, Host is compared only if hosts is given", async () => {
  const authorization = "Bearer key";
  const keys = ["key"], hosts = ["app.example"];
  const at = (addresses: string[], options: ServiceOptions = {}) => listening(addresses, options);
  const open = [
    ...[at(["0.0.0.0"]), at(["192.168.1.2"]), at(["::"]), at([]), at(["127.0.0.1"], { keys })],
  ];
  for (const service of open) {
    for (const host of [...LOOPBACK_HOSTS, ...OTHER_HOSTS]) {
      assertEquals(await status(service, "/v2", { host, authorization }), 200, host);
    }
    for (const host of NO_HOSTS) {
      assertEquals(await status(service, "/v2", { host, authorization }), 400, host);
    }
  }
  const closed = [
    ...[at(["0.0.0.0"], { hosts }), at([], { hosts }), at(["127.0.0.1"], { keys, hosts })],
  ];
  // A handler's requests have the URL that they are called by.
  for (const service of closed) {
    const ask = async (host: string, path = "/v2") => {
      const response = await service.fetch(
        new Request(`http://${host}${path}`, { headers: { host, authorization } }),
      );
      await response.body?.cancel();
      return response.status;
    };
    assertEquals(await ask("app.example"), 200);
    for (const host of ["localhost:8000", "evil.example", "10.0.0.1"]) {
      assertEquals(await ask(host), 403, host);
    }
    // Kubernetes asks by the pod's address.
    for (const path of ["/livez", "/v2/health/live"]) {
      assertEquals([await ask("10.1.2.3:8000", path), await ask("evil.example", path)], [200, 403]);
    }
  }
});

Deno.test("what comes from elsewhere has not come over loopback, whatever was assumed", async () => {
  const service = listening(["127.0.0.1"]);
  const ask = async (hostname: string) => {
    const request = get("/v2", { host: "app.example" });
    const response = await service.fetch(request, { remoteAddr: { hostname } });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await ask("127.0.0.1"), await ask("203.0.113.5")], [403, 200]);
});

const HOST_AND_ITS_ORIGINS: [host: string, origins: string[]][] = [
  ["app.example", ["http://app.example", "https://app.example", "https://APP.example."]],
  ["app.example:443", ["https://app.example", "http://app.example:443"]],
  ["app.example:80", ["http://app.example", "https://app.example:80"]],
  ["App.Example.:8000", ["http://app.example:8000", "https://app.example:8000"]],
  ["[::1]:8000", ["http://[::1]:8000", "http://[0:0::1]:8000"]],
];
const NOT_ITS_ORIGINS: [host: string, origin: string][] = [
  ["app.example", "https://evil.example"],
  ["app.example", "https://app.example:8443"],
  ["app.example", "http://app.example:443"],
  ["app.example:443", "http://app.example"],
  ["app.example:80", "https://app.example"],
  ["app.example:8000", "http://app.example"],
  ["app.example:8000", "http://app.example:8001"],
  ["app.example", "https://sub.app.example"],
  ["app.example", "https://app.example.evil.example"],
  ["app.example", "https://app.example@evil.example"],
  ["app.example", "https://app.example/path"],
  ["app.example", "https://app.example, https://evil.example"],
  ["app.example", "null"],
  ["app.example", ""],
  ["app.example", "file://"],
  ["app.example", "ftp://app.example"],
  ["app.example", "app.example"],
  ["app.example", "chrome-extension://app.example"],
];

Deno.test("a page may call the host that it comes from, whatever the scheme", async () => {
  const service = testService();
  for (const [host, origins] of HOST_AND_ITS_ORIGINS) {
    for (const origin of origins) {
      assertEquals(await status(service, "/v2", { host, origin }), 200, `${host} ${origin}`);
    }
  }
});

Deno.test("a page of another origin may not: not a request that needs no preflight, and no path", async () => {
  const keys = ["key"], authorization = "Bearer key";
  for (const service of [testService(), testService({ keys }), listening(["0.0.0.0"])]) {
    for (const [host, origin] of NOT_ITS_ORIGINS) {
      const headers = { host, origin, authorization };
      assertEquals(await status(service, "/v2", headers), 403, `${host} ${origin}`);
    }
    for (
      const type of [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
      ]
    ) {
      const headers = { origin: "https://evil.example", "content-type": type, authorization };
      const response = await service.fetch(post("/classify", CAT, headers));
      assertEquals([response.status, (await response.json()).code], [403, "wrong-origin"]);
    }
    for (const path of ["/livez", "/", "/openapi.json", "/nothing"]) {
      assertEquals(await status(service, path, { origin: "https://evil.example" }), 403, path);
    }
  }
  // What a proxy says of itself does not count.
  const forwarded = { host: "app.example", "x-forwarded-host": "evil.example" };
  assertEquals(
    await status(testService(), "/v2", { ...forwarded, origin: "https://evil.example" }),
    403,
  );
});

Deno.test("corsOrigins lets pages call, by a preflight or without, and * lets all", async () => {
  const allowed = "https://app.example", extension = "chrome-extension://abc";
  const preflight = { "access-control-request-method": "POST" };
  const service = testService({ corsOrigins: [allowed, extension] });
  for (const origin of [allowed, extension, "http://host"]) {
    assertEquals(await status(service, "/v2", { host: "host", origin }), 200, origin);
    assertEquals(
      await status(service, "/v2", { host: "host", origin, ...preflight }, "OPTIONS"),
      204,
    );
  }
  for (
    const origin of [
      "https://evil.example",
      "null",
      "http://app.example",
      "https://app.example:444",
    ]
  ) {
    assertEquals(await status(service, "/v2", { origin }), 403, origin);
    assertEquals(await status(service, "/v2", { origin, ...preflight }, "OPTIONS"), 403, origin);
  }
  const any = testService({ corsOrigins: ["*"] });
  for (const origin of ["https://evil.example", "null"]) {
    assertEquals(await status(any, "/v2", { origin }), 200);
  }
  // Host is another matter.
  const local = listening(["127.0.0.1"], { corsOrigins: ["*"] });
  assertEquals(await status(local, "/v2", { host: "evil.example" }), 403);
});

Deno.test("where CORS is on, every answer varies by Origin: also errors, preflights and those to no page", async () => {
  const origin = "https://app.example";
  const preflight = { origin, "access-control-request-method": "POST" };
  for (const corsOrigins of [[origin], ["*"]]) {
    const service = testService({ corsOrigins });
    const requests = [
      get("/v2"),
      get("/v2", { origin }),
      get("/v2", { origin: "https://evil.example" }),
      get("/v2", { host: "a b" }),
      get("/nothing"),
      get("/classify"),
      post("/classify", CAT, { origin }),
      new Request("http://host/classify", { method: "OPTIONS", headers: preflight }),
    ];
    for (const request of requests) {
      const response = await service.fetch(request);
      await response.body?.cancel();
      assertEquals(response.headers.get("vary"), "origin", `${request.method} ${request.url}`);
    }
  }
  const response = await testService().fetch(get("/v2"));
  await response.body?.cancel();
  assertEquals(response.headers.get("vary"), null);
});

Deno.test("a path has its normal form, or a proxy that keeps /metrics to itself could be led past it", async () => {
  const service = testService();
  // Deno's requests have the path as it was sent.
  const sent = (path: string): Request =>
    new Proxy(get("/metrics"), {
      get: (request, name) =>
        name === "url" ? `http://host${path}` : Reflect.get(request, name, request),
    });
  const paths = ["/.\\metrics", "/x/..\\metrics", "/./metrics", "/x/../metrics", "/%2e/metrics"];
  for (const path of paths) {
    const response = await service.fetch(sent(path));
    assertEquals([response.status, (await response.json()).code], [400, "bad-request"], path);
  }
  for (const path of ["//metrics", "/metrics/", "/%6detrics", "/METRICS"]) {
    assertEquals((await service.fetch(sent(path))).status, 404, path);
  }
  assertEquals((await service.fetch(sent("/metrics?x"))).status, 200);
});

Deno.test("a request whose URL is none is answered", async () => {
  const request = new Proxy(get("/"), {
    get: (request, name) => name === "url" ? "http://a b<>/" : Reflect.get(request, name, request),
  });
  assertEquals((await testService().fetch(request)).status, 400);
});

Deno.test("a service without keys that answers a stranger's address warns, once", async () => {
  const warned = async (options: ServiceOptions, addresses: readonly unknown[]) => {
    const lines: string[] = [];
    const service = testService({ ...options, logLevel: "warn", writeLog: (l) => lines.push(l) });
    for (const remoteAddr of addresses) {
      const connection = { remoteAddr } as { remoteAddr: { hostname: string } };
      await (await service.fetch(get("/livez"), connection)).body?.cancel();
    }
    return lines;
  };
  const at = (hostname: string) => ({ transport: "tcp", hostname, port: 1 });
  const strangers = [at("127.0.0.1"), at("203.0.113.5"), at("2001:db8::1"), at("203.0.113.6")];
  const lines = await warned({}, strangers);
  assertEquals(lines.length, 1);
  assertStringIncludes(lines[0], "203.0.113.5");
  assertStringIncludes(lines[0], "set keys");
  const local = [at("127.0.0.1"), at("127.9.9.9"), at("::1"), at("::ffff:127.0.0.1"), undefined];
  assertEquals(await warned({}, [...local, { transport: "unix", path: "/run/socket" }]), []);
  assertEquals(await warned({ keys: ["key"] }, strangers), []);
});
