/** Responses of text, and those to a GET, which have an ETag. */

import { eTag, ifNoneMatch } from "@std/http/etag";
import { STATUS } from "./problems.ts";

/** Text, of Prometheus's format or plain. */
export function textResponse(status: number, text: string, type: string = "text/plain"): Response {
  return new Response(text, { status, headers: { "content-type": `${type}; charset=utf-8` } });
}

/** What health checks get before the model is loaded; while no load is tried, with Retry-After. */
export function notReady(waitMs: number): Response {
  const response = textResponse(STATUS.notReady, "loading the model\n");
  if (waitMs > 0) response.headers.set("retry-after", String(Math.ceil(waitMs / 1000)));
  return response;
}

/** The answer to a GET, with a strong ETag; 304 without a body for a client that has these bytes. */
export async function taggedResponse(
  request: Request,
  bytes: Uint8Array<ArrayBuffer>,
  contentType: string,
): Promise<Response> {
  const etag = await eTag(bytes);
  if (!ifNoneMatch(request.headers.get("if-none-match"), etag)) {
    return new Response(null, { status: STATUS.notModified, headers: { etag } });
  }
  return new Response(bytes, {
    headers: { "content-type": contentType, etag },
  });
}

/** JSON as the answer to a GET: see {@linkcode taggedResponse}. */
export async function taggedJson(request: Request, value: unknown): Promise<Response> {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return await taggedResponse(request, bytes, "application/json");
}
