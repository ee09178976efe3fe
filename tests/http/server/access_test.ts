import { assertEquals } from "@std/assert";
import { CAT, get, post, testService } from "../../support/http_service.ts";

const status = async (response: Promise<Response>): Promise<number> => {
  await (await response).body?.cancel();
  return (await response).status;
};

Deno.test("with keys, any of them gives access and nothing else does", async () => {
  const service = testService({ keys: ["old-key", "new-key"] });
  const ask = (authorization?: string) =>
    service.fetch(post("/classify", CAT, authorization === undefined ? {} : { authorization }));
  for (const given of ["Bearer old-key", "Bearer new-key", "bearer new-key"]) {
    assertEquals(await status(ask(given)), 200, given);
  }
  for (
    const given of [
      undefined,
      "Bearer",
      "Bearer ",
      "Bearer new-ke",
      "Bearer new-keys",
      "Bearer new-key old-key",
      "Bearer new-key, Bearer old-key",
      "Bearer undefined",
      "Basic new-key",
      "new-key",
    ]
  ) {
    const response = await ask(given);
    assertEquals([response.status, response.headers.get("www-authenticate")], [401, "Bearer"]);
    assertEquals((await response.json()).code, "unauthorized");
  }
});

Deno.test("what tells nothing stays open where keys are set", async () => {
  const service = testService({ keys: ["key"] });
  await service.warmUp();
  for (const path of ["/", "/page.js", "/openapi.json", "/livez", "/readyz", "/v2/health/ready"]) {
    assertEquals(await status(service.fetch(get(path))), 200, path);
  }
  for (const path of ["/metrics", "/v2", "/v2/models/vgg16-cifar10"]) {
    assertEquals(await status(service.fetch(get(path))), 401, path);
  }
});

Deno.test("a key in the address is none", async () => {
  const lines: string[] = [];
  const service = testService({ keys: ["key"], logLevel: "debug", writeLog: (l) => lines.push(l) });
  for (
    const path of [
      "/metrics?key=key",
      "/metrics?access_token=key",
      "/metrics?authorization=Bearer%20key",
    ]
  ) {
    assertEquals(await status(service.fetch(get(path))), 401);
  }
  assertEquals(lines.some((line) => line.includes("=key") || line.includes("%20key")), false);
});

Deno.test("no origin may call unless it is configured", async () => {
  const allowed = async (corsOrigins: string[], origin: string) => {
    const service = testService({ corsOrigins });
    const response = await service.fetch(get("/livez", { origin }));
    await response.body?.cancel();
    return response.headers.get("access-control-allow-origin");
  };
  const origin = "https://app.example";
  assertEquals(await allowed([], origin), null);
  assertEquals(await allowed([origin], origin), origin);
  assertEquals(await allowed([origin], "https://evil.example"), null);
  assertEquals(await allowed(["*"], origin), "*");
});

Deno.test("a browser's preflight is answered without a key, and errors carry CORS headers too", async () => {
  const origin = "https://app.example";
  const service = testService({ corsOrigins: [origin], keys: ["key"] });
  const preflight = await service.fetch(
    new Request("http://host/classify", {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST" },
    }),
  );
  assertEquals(preflight.status, 204);
  assertEquals(preflight.headers.get("access-control-allow-origin"), origin);
  assertEquals(preflight.headers.get("access-control-allow-methods"), "GET, POST");
  const refused = await service.fetch(post("/classify", CAT, { origin }));
  await refused.body?.cancel();
  assertEquals([refused.status, refused.headers.get("access-control-allow-origin")], [401, origin]);
});
