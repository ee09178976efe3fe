/**
 * Who may call: bearer keys, origins of browsers, and the headers that keep browsers careful.
 *
 * @module
 */

import { HttpProblem, STATUS } from "./problems.ts";

/** Checks a request's bearer key. */
export type KeyCheck = (request: Request) => Promise<void>;

/**
 * Makes the check for a list of keys; without keys everyone passes.
 *
 * The digests of the keys are compared, all of them and to their ends, so that the time taken tells
 * nothing about a key.
 */
export function createKeyCheck(keys: readonly string[]): KeyCheck {
  if (keys.length === 0) return () => Promise.resolve();
  const digests = Promise.all(keys.map(digest));
  return async (request) => {
    const [scheme, key = ""] = (request.headers.get("authorization") ?? "").split(" ", 2);
    const given = await digest(key);
    let matches = 0;
    for (const known of await digests) matches |= equal(known, given);
    if (scheme.toLowerCase() === "bearer" && matches === 1) return;
    throw new HttpProblem("unauthorized", "Expected a header Authorization: Bearer KEY", {
      headers: { "www-authenticate": "Bearer" },
    });
  };
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** 1 if the bytes are equal, else 0, in a time that depends on nothing but their number. */
function equal(a: Uint8Array, b: Uint8Array): number {
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0 ? 1 : 0;
}

const EXPOSED = "x-request-id, retry-after, etag, server-timing";

/** The headers that let a page of this origin read the response; none if it may not. */
export function corsHeaders(
  request: Request,
  origins: readonly string[],
): Readonly<Record<string, string>> {
  const origin = request.headers.get("origin");
  if (origin === null || origins.length === 0) return {};
  const any = origins.includes("*");
  if (!any && !origins.includes(origin)) return { vary: "origin" };
  return {
    "access-control-allow-origin": any ? "*" : origin,
    "access-control-expose-headers": EXPOSED,
    "cross-origin-resource-policy": "cross-origin",
    ...(any ? {} : { vary: "origin" }),
  };
}

/** Answers a browser's question before a cross-origin request. */
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

/** Headers of every response. A page replaces the first by its own policy. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};
