/**
 * Paths -> functions.
 *
 * @module
 */

import { classifyRoute, embedRoute } from "../protocols/classify_route.ts";
import type { Context } from "../protocols/context.ts";
import { huggingFaceRoute } from "../protocols/hugging_face.ts";
import {
  inferRoute,
  modelReadyRoute,
  modelRoute,
  serverRoute,
} from "../protocols/open_inference.ts";
import { openApiRoute } from "./openapi.ts";
import { pageRoute, scriptRoute } from "../page/page.ts";
import { explainRoute } from "../protocols/explain_route.ts";
import { HttpProblem } from "./problems.ts";

/** One path of the service. */
export interface Route {
  readonly method: "GET" | "POST";
  /** `:name` stands for one segment, `:name*` for all that follow. */
  readonly path: string;
  /** Whether no key is needed, even where keys are set: what tells nothing and costs nothing. */
  readonly open?: boolean;
  readonly answer: (context: Context) => Promise<Response>;
}

/**
 * The paths that depend on nothing but a request and the model. Health and metrics are the
 * service's own.
 */
export const ROUTES: readonly Route[] = [
  { method: "GET", path: "/", open: true, answer: pageRoute },
  { method: "GET", path: "/page.js", open: true, answer: scriptRoute },
  { method: "GET", path: "/openapi.json", open: true, answer: openApiRoute },
  { method: "POST", path: "/classify", answer: classifyRoute },
  { method: "POST", path: "/embed", answer: embedRoute },
  { method: "POST", path: "/explain", answer: explainRoute },
  { method: "POST", path: "/", answer: huggingFaceRoute },
  { method: "POST", path: "/models/:model*", answer: huggingFaceRoute },
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

/**
 * Finds the route of a request. HEAD is answered as GET.
 *
 * @throws {HttpProblem} `not-found`, or `method-not-allowed` with Allow
 */
export function findRoute(routes: readonly Route[], method: string, pathname: string): Match {
  const matches = routes.flatMap((route) => {
    const path = matchPath(route.path, pathname);
    return path === undefined ? [] : [{ route, path }];
  });
  const wanted = method === "HEAD" ? "GET" : method;
  const match = matches.find(({ route }) => route.method === wanted);
  if (match !== undefined) return match;
  if (matches.length === 0) {
    throw new HttpProblem("not-found", `There is nothing at ${pathname}: see /openapi.json`);
  }
  const allow = matches.map(({ route }) => route.method).join(", ");
  throw new HttpProblem("method-not-allowed", `Expected ${allow}, found ${method}`, {
    headers: { allow },
  });
}

function matchPath(pattern: string, pathname: string): Record<string, string> | undefined {
  if (!pattern.includes(":")) return pattern === pathname ? {} : undefined;
  const names = pattern.split("/"), parts = pathname.split("/");
  const found: Record<string, string> = {};
  for (const [i, name] of names.entries()) {
    if (name.endsWith("*")) {
      const rest = parts.slice(i).join("/");
      return rest === "" ? undefined : { ...found, [name.slice(1, -1)]: decode(rest) };
    }
    if (!name.startsWith(":")) {
      if (name !== parts[i]) return undefined;
    } else if (!parts[i]) return undefined;
    else found[name.slice(1)] = decode(parts[i]);
  }
  return names.length === parts.length ? found : undefined;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HttpProblem("bad-request", `The path is malformed: ${text}`);
  }
}
