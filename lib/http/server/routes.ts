/** Which function answers a request, and whether it may be called. */

import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { pageRoute, scriptRoute } from "../page/page.ts";
import { huggingFaceRoute } from "../protocols/hugging_face.ts";
import { classifyRoute, embedRoute, explainRoute } from "../protocols/library.ts";
import {
  inferRoute,
  modelReadyRoute,
  modelRoute,
  serverRoute,
} from "../protocols/open_inference.ts";
import type { Pipeline } from "../queue/pipeline.ts";
import type { Call } from "./call.ts";
import { openApiRoute } from "./openapi.ts";
import { badRequest, HttpProblem } from "./problems.ts";

/** One path of the service. */
export interface Route {
  readonly method: "GET" | "POST";
  /** `:name` stands for one segment, `:name+` for it and all that follow. */
  readonly path: string;
  /** Whether no key is needed, even where keys are set: what tells nothing and costs nothing. */
  readonly open?: boolean;
  readonly answer: (call: Call, pipeline: Pipeline) => Response | Promise<Response>;
}

/** The paths that depend on a request and the model alone. The service adds health and metrics. */
export const ROUTES: readonly Route[] = [
  { method: "GET", path: "/", open: true, answer: pageRoute },
  { method: "GET", path: "/page.js", open: true, answer: scriptRoute },
  { method: "GET", path: "/openapi.json", open: true, answer: openApiRoute },
  { method: "POST", path: "/classify", answer: classifyRoute },
  { method: "POST", path: "/embed", answer: embedRoute },
  { method: "POST", path: "/explain", answer: explainRoute },
  { method: "POST", path: "/", answer: huggingFaceRoute },
  { method: "POST", path: "/models/:model+", answer: huggingFaceRoute },
  { method: "GET", path: "/v2", answer: serverRoute },
  { method: "GET", path: "/v2/models/:model", answer: modelRoute },
  { method: "GET", path: "/v2/models/:model/versions/:version", answer: modelRoute },
  { method: "GET", path: "/v2/models/:model/ready", open: true, answer: modelReadyRoute },
  {
    method: "GET",
    path: "/v2/models/:model/versions/:version/ready",
    open: true,
    answer: modelReadyRoute,
  },
  { method: "POST", path: "/v2/models/:model/infer", answer: inferRoute },
  { method: "POST", path: "/v2/models/:model/versions/:version/infer", answer: inferRoute },
];

/** A route, and what stands in the path for its names. */
export interface Match {
  readonly route: Route;
  readonly path: Readonly<Record<string, string>>;
}

const HEALTH = /^\/(livez|readyz|v2\/(health\/(live|ready)|models\/.+\/ready))$/;

/** Whether orchestrators ask for it all the time. */
export function isHealth(route: string | undefined): boolean {
  return route !== undefined && HEALTH.test(route);
}

export class Router {
  readonly #routes: readonly (readonly [Route, RegExp])[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => [route, patternOf(route.path)]);
  }

  /**
   * Finds the route of a request. HEAD is answered as GET.
   *
   * @throws {HttpProblem} `not-found`, or `method-not-allowed` with Allow
   */
  find({ request: { method }, url, base, route: pathname }: Call): Match {
    const found = pathname === undefined ? [] : this.#routes.flatMap(([route, pattern]) => {
      const match = pattern.exec(pathname);
      return match === null ? [] : [{ route, groups: { ...match.groups } }];
    });
    const wanted = method === "HEAD" ? "GET" : method;
    const match = found.find(({ route }) => route.method === wanted);
    if (match !== undefined) return { route: match.route, path: decoded(match.groups) };
    if (found.length === 0) {
      const advice = `see ${base}/openapi.json`;
      throw new HttpProblem("not-found", `There is nothing at ${url.pathname}: ${advice}`);
    }
    const allow = found.map(({ route }) => route.method).join(", ");
    throw new HttpProblem("method-not-allowed", `Expected ${allow}, found ${method}`, {
      headers: { allow },
    });
  }
}

/** What matches a route's path: its names are groups. */
function patternOf(path: string): RegExp {
  const source = path.replaceAll(/[.]/g, "\\$&")
    .replaceAll(/:(\w+)\+/g, "(?<$1>[^/]+(?:/[^/]+)*)").replaceAll(/:(\w+)/g, "(?<$1>[^/]+)");
  return new RegExp(`^${source}$`);
}

function decoded(groups: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(groups).map(([name, text]) => {
      try {
        return [name, decodeURIComponent(text)];
      } catch {
        throw badRequest(`The path is malformed: ${text}`);
      }
    }),
  );
}

export type KeyCheck = (request: Request) => Promise<void>;

/**
 * Makes the check for a list of keys; without keys everyone passes.
 *
 * The digests of the keys are compared, all of them, so that the time taken tells nothing about a key.
 */
export function createKeyCheck(keys: readonly string[] | undefined): KeyCheck {
  if (keys === undefined) return () => Promise.resolve();
  const digests = Promise.all(keys.map(digest));
  return async (request) => {
    const header = request.headers.get("authorization") ?? "";
    const [, key] = /^bearer +(\S+)$/i.exec(header) ?? [];
    const given = await digest(key ?? "");
    const matching = (await digests).filter((known) => timingSafeEqual(known, given));
    if (key !== undefined && matching.length > 0) return;
    throw new HttpProblem("unauthorized", "Expected a header Authorization: Bearer KEY", {
      headers: { "www-authenticate": "Bearer" },
    });
  };
}

async function digest(text: string): Promise<ArrayBuffer> {
  return await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}
