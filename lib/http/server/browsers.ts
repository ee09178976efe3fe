/**
 * What pages in browsers may do: whom a request has to name as its host, which origins may call, and the
 * headers that keep browsers careful.
 *
 * A page of any site can send requests to a service that listens on its visitor's machine. What tells them
 * apart is `Origin`, and, where a name of the page's own was led to that machine (DNS rebinding), `Host`.
 */

import { type Host, isAddress, isLoopback, isOriginOf, parseHost } from "../../options/host.ts";
import type { Call } from "./call.ts";
import { badRequest, HttpProblem, STATUS } from "./problems.ts";
import { isHealth } from "./routes.ts";
import type { Settings } from "./settings.ts";

type Rules = Pick<Settings, "hosts" | "corsOrigins" | "keys">;

/** Where a request may come from. */
export class Doorkeeper {
  readonly #rules: Rules;
  /** `host` where no port is given stands for any. */
  readonly #hosts: readonly (Host | undefined)[];
  /** Undefined if nobody has told. */
  #isLocal: boolean | undefined;

  constructor(rules: Rules) {
    this.#rules = rules;
    this.#hosts = rules.hosts.map(parseHost);
  }

  /** Tells where the service listens; the last one counts. */
  listensAt(address: string): void {
    this.#isLocal = isLocalAddress(address);
  }

  /**
   * Checks a request's Host and Origin.
   *
   * @param remote The client's address, if it is known.
   * @throws {HttpProblem} `bad-request` if Host is none, `wrong-host` or `wrong-origin`
   */
  check({ request: { headers }, url, route }: Call, remote: string | undefined): void {
    // Without Host there is no browser; Deno puts `localhost` into the URL then, and HTTP/2 has it there.
    const named = headers.get("host") ?? url.host;
    const host = hostOf(named);
    const isFromHere = remote === undefined || isLocalAddress(remote);
    const isGuarded = this.#isLocal === true && this.#rules.keys === undefined && isFromHere;
    this.#checkHost(host, route, isGuarded);
    // A proxy's form of a request names another host in its first line, and that one counts. Whoever made
    // a handler's request, however, may have put there what he likes.
    if (this.#isLocal !== undefined) this.#checkHost(hostOf(url.host), route, isGuarded);
    this.#checkOrigin(headers.get("origin"), host);
  }

  #checkHost(host: Host, route: string | undefined, isGuarded: boolean): void {
    if (!isGuarded && this.#rules.hosts.length === 0) return;
    const isKnown = this.#hosts.some((known) =>
      known?.name === host.name && (known.port ?? host.port) === host.port
    );
    if (isKnown) return;
    // Orchestrators ask by a pod's address.
    if (isGuarded ? isLoopback(host) : isHealth(route) && isAddress(host)) return;
    const also = isGuarded ? "localhost, a loopback address or " : "";
    throw new HttpProblem(
      "wrong-host",
      `Expected Host to be ${also}one of the setting hosts, found "${host.name}"`,
    );
  }

  #checkOrigin(origin: string | null, host: Host): void {
    const { corsOrigins } = this.#rules;
    if (origin === null || corsOrigins.includes("*") || corsOrigins.includes(origin)) return;
    if (isOriginOf(origin, host)) return;
    throw new HttpProblem(
      "wrong-origin",
      `Expected Origin to be the service's own, ${host.name}, or one of the setting corsOrigins, ` +
        `found "${origin}"`,
    );
  }
}

function hostOf(text: string): Host {
  const host = parseHost(text);
  if (host === undefined) {
    throw badRequest(`Expected Host to be NAME or NAME:PORT, found "${text}"`);
  }
  return host;
}

/** Whether an address, such as `::1`, is a loopback one. */
export function isLocalAddress(address: string): boolean {
  const host = parseHost(address.includes(":") ? `[${address}]` : address);
  return host !== undefined && isLoopback(host);
}

/** Whether a browser asks before a cross-origin request. */
export function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("access-control-request-method");
}

export function preflightResponse(): Response {
  return new Response(null, {
    status: STATUS.noContent,
    headers: {
      "access-control-allow-methods": "GET, POST",
      "access-control-allow-headers": "authorization, content-type, x-request-id",
      "access-control-max-age": "600",
    },
  });
}

/** Headers of every response, unless it has its own. */
const SECURITY_HEADERS = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};
const EXPOSED = "x-request-id, x-multi-label, retry-after, etag, server-timing";

/**
 * Sets the headers that keep browsers careful, and those that let a page of one of some origins read
 * the response.
 *
 * @param origins `*` is any.
 */
export function setBrowserHeaders(
  headers: Headers,
  request: Request,
  origins: readonly string[],
): void {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
    if (!headers.has(name)) headers.set(name, value);
  }
  if (origins.length === 0) return;
  // A cache must not give one origin what was said to another, or to none.
  headers.append("vary", "origin");
  const origin = request.headers.get("origin");
  const isAny = origins.includes("*");
  if (origin === null || !isAny && !origins.includes(origin)) return;
  headers.set("access-control-allow-origin", isAny ? "*" : origin);
  headers.set("access-control-expose-headers", EXPOSED);
  headers.set("cross-origin-resource-policy", "cross-origin");
}
