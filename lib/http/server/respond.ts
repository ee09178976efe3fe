/**
 * Responses, and the headers that browsers need.
 *
 * @module
 */

import { eTag, ifNoneMatch } from "@std/http/etag";
import { STATUS } from "./problems.ts";

/** Text, of Prometheus's format or plain. */
export function textResponse(status: number, text: string, type: string = "text/plain"): Response {
  return new Response(text, { status, headers: { "content-type": `${type}; charset=utf-8` } });
}

/** The answer to a GET, with a strong ETag; 304 without a body for a client that has these bytes. */
export async function taggedResponse(
  request: Request,
  bytes: Uint8Array,
  contentType: string,
): Promise<Response> {
  const etag = await eTag(bytes);
  if (!ifNoneMatch(request.headers.get("if-none-match"), etag)) {
    return new Response(null, { status: STATUS.notModified, headers: { etag } });
  }
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    headers: { "content-type": contentType, etag },
  });
}

/** JSON as the answer to a GET: see {@linkcode taggedResponse}. */
export async function taggedJson(request: Request, value: unknown): Promise<Response> {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return await taggedResponse(request, bytes, "application/json");
}

/** Whether a browser asks before a cross-origin request. */
export function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("access-control-request-method");
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

/** Headers of every response, unless it has its own. */
const SECURITY_HEADERS = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};
const EXPOSED = "x-request-id, retry-after, etag, server-timing";

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
  const origin = request.headers.get("origin");
  if (origin === null || origins.length === 0) return;
  const isAny = origins.includes("*");
  if (!isAny) headers.set("vary", "origin");
  if (!isAny && !origins.includes(origin)) return;
  headers.set("access-control-allow-origin", isAny ? "*" : origin);
  headers.set("access-control-expose-headers", EXPOSED);
  headers.set("cross-origin-resource-policy", "cross-origin");
}
