import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { createService, type Service } from "../../lib/http/service.ts";
import { CAT, cifar10Classifier, get, post } from "../support/http_service.ts";

const mounted = (basePath: string): Service =>
  createService({ classifier: cifar10Classifier(), logLevel: "off", basePath });
const service = mounted("/api/vision");
const textOf = async (path: string, headers?: HeadersInit): Promise<string> =>
  await (await service.fetch(get(path, headers))).text();

Deno.test("a service answers below its base path, and nowhere else", async () => {
  const status = async (request: Request): Promise<number> => {
    const response = await service.fetch(request);
    await response.body?.cancel();
    return response.status;
  };
  await service.warmUp();
  for (
    const path of ["/livez", "/readyz", "/metrics", "/v2", "/v2/models/vgg16-cifar10", "/", ""]
  ) {
    assertEquals(await status(get(`/api/vision${path}`)), 200, path);
    assertEquals(await status(get(path)), 404, path);
  }
  for (const path of ["/classify", "", "/", "/models/vgg16-cifar10"]) {
    assertEquals(await status(post(`/api/vision${path}`, CAT)), 200, path);
  }
  for (const path of ["/api", "/api/", "/api/visionary", "/api/vision2/livez", "/vision/livez"]) {
    assertEquals(await status(get(path)), 404, path);
  }
  const { detail } = JSON.parse(await textOf("/api/vision/nothing"));
  assertEquals(detail, "There is nothing at /api/vision/nothing: see /api/vision/openapi.json");
  assertEquals(await status(new Request("http://host/api/vision/classify")), 405);
});

Deno.test("the page's links lead below the base path, whatever its own address ends with", async () => {
  for (const path of ["/api/vision", "/api/vision/"]) {
    const page = await textOf(path, { accept: "text/html" });
    assertStringIncludes(page, 'src="/api/vision/page.js"');
    assertStringIncludes(page, 'href="/api/vision/openapi.json"');
  }
  // Without one they are relative: a proxy may have taken a prefix off.
  const page = await mounted("/").fetch(get("/", { accept: "text/html" }));
  assertStringIncludes(await page.text(), 'src="page.js"');
  const about = JSON.parse(await textOf("/api/vision", { accept: "application/json" }));
  assertEquals(about.api, "/api/vision/openapi.json");
  const { servers } = JSON.parse(await textOf("/api/vision/openapi.json"));
  assertEquals(servers, [{ url: "/api/vision" }]);
});

Deno.test("health checks by a pod's address are served below the base path, too", async () => {
  const strict = createService({
    ...{ classifier: cifar10Classifier(), logLevel: "off", basePath: "/api/vision" },
    hosts: ["app.example"],
  });
  const ask = async (path: string): Promise<number> => {
    const response = await strict.fetch(new Request(`http://10.0.0.7:8000${path}`));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await ask("/api/vision/livez"), 200);
  assertEquals(await ask("/api/vision/metrics"), 403);
  assertEquals(await ask("/livez"), 403);
});

Deno.test("a base path is a path in its normal form", () => {
  for (const basePath of ["/api", "/a/b-c/d_e/~f", "/v1.2"]) assert(mounted(basePath));
  for (
    const wrong of ["", "api", "/api/", "//api", "/a/../b", "/a b", "/a?b", "https://a.example"]
  ) {
    const message = "basePath must be a path such as /api/vision";
    assertThrows(() => mounted(wrong), RangeError, message, wrong);
  }
});
