/**
 * Responses with strong ETags.
 *
 * @module
 */

import { STATUS } from "../server/problems.ts";
import { sha256 } from "../queue/result_cache.ts";

const encoder = new TextEncoder();

/** JSON, with the hash of its bytes as the ETag: the same image and options give the same one. */
export async function json(value: unknown): Promise<Response> {
  return await bytesResponse(encoder.encode(JSON.stringify(value)), "application/json");
}

/** Bytes, with their hash as the ETag. */
export async function bytesResponse(bytes: Uint8Array, contentType: string): Promise<Response> {
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    headers: { "content-type": contentType, etag: await etagOf(bytes) },
  });
}

/** A strong ETag: 128 bits of the SHA-256. */
export async function etagOf(bytes: Uint8Array): Promise<string> {
  return `"${(await sha256(bytes)).slice(0, 32)}"`;
}

/** 304 without a body if the client of a GET has these very bytes; else the response itself. */
export function ifNoneMatch(request: Request, response: Response): Response {
  const etag = response.headers.get("etag");
  const known = request.headers.get("if-none-match");
  if (etag === null || known === null) return response;
  const tags = known.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (!tags.includes(etag) && !tags.includes("*")) return response;
  const headers = new Headers(response.headers);
  headers.delete("content-type");
  return new Response(null, { status: STATUS.notModified, headers });
}
