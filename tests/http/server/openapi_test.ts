import { assertEquals } from "@std/assert";
import { ROUTES } from "../../../lib/http/server/routes.ts";
import { devTest } from "../../support/dev_packages.ts";
import { get, testService } from "../../support/http_service.ts";

async function description(): Promise<{ paths: Record<string, Record<string, unknown>> }> {
  return await (await testService().fetch(get("/openapi.json"))).json();
}

Deno.test("the API's description has every route, and no other", async () => {
  const { paths } = await description();
  const described = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).filter((key) => key !== "parameters").map((m) => `${m.toUpperCase()} ${path}`)
  );
  const own = ["/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"];
  const routes = ROUTES.map(({ method, path }) =>
    `${method} ${path.replace(/:(\w+)\+?/g, (_, name) => `{${name}}`)}`
  );
  assertEquals(described.sort(), [...routes, ...own.map((path) => `GET ${path}`)].sort());
});

devTest("a validator accepts the API's description", {
  file: import.meta.url,
  packages: ["@seriousme/openapi-schema-validator"],
}, async (packages) => {
  // deno-lint-ignore no-explicit-any -- the package is not downloaded for the type check
  const { Validator } = packages["@seriousme/openapi-schema-validator"] as any;
  const document = await description();
  const result = await new Validator().validate(document);
  assertEquals(result.errors, undefined);
  assertEquals(result.valid, true);
  // A validator that accepts everything would prove nothing.
  const broken = await new Validator().validate({ ...document, paths: { "/x": { get: 1 } } });
  assertEquals(broken.valid, false);
});
