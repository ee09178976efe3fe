/**
 * The page for people: one HTML file and one script, from this folder, under a strict policy.
 *
 * @module
 */

import { readBytes } from "../../platform.ts";
import { VERSION } from "../../version.ts";
import type { Call } from "../server/call.ts";
import { taggedJson, taggedResponse } from "../server/respond.ts";

const HTML = new URL("index.html", import.meta.url);
const SCRIPT = new URL("page.js", import.meta.url);

interface Asset {
  readonly bytes: Uint8Array;
  readonly policy: string;
}

let html: Promise<Asset> | undefined;
let script: Promise<Asset> | undefined;

/** `GET /`: the page, or who this is for a program that asks for JSON. */
export async function pageRoute({ request }: Call): Promise<Response> {
  const accept = request.headers.get("accept") ?? "";
  if (accept.includes("application/json") && !accept.includes("text/html")) {
    return await taggedJson(request, {
      name: "@edge/vgg16",
      version: VERSION,
      api: "/openapi.json",
    });
  }
  html ??= readAsset(HTML);
  return await assetResponse(request, await html, "text/html; charset=utf-8");
}

/** `GET /page.js`. */
export async function scriptRoute({ request }: Call): Promise<Response> {
  script ??= readAsset(SCRIPT);
  return await assetResponse(request, await script, "text/javascript; charset=utf-8");
}

async function assetResponse(
  request: Request,
  { bytes, policy }: Asset,
  type: string,
): Promise<Response> {
  const response = await taggedResponse(request, bytes, type);
  response.headers.set("cache-control", "no-cache");
  response.headers.set("content-security-policy", policy);
  response.headers.set("permissions-policy", "camera=(self)");
  return response;
}

async function readAsset(url: URL): Promise<Asset> {
  // From a registry's server the package is imported by https, and there are no files.
  const bytes = url.protocol === "file:" ? await readBytes(url) : await (await fetch(url)).bytes();
  return { bytes, policy: await policyOf(new TextDecoder().decode(bytes)) };
}

/** Nothing from elsewhere and nothing inline, but for the page's own style, by its hash. */
async function policyOf(text: string): Promise<string> {
  const style = /<style>([^]*?)<\/style>/.exec(text)?.[1] ?? "";
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style));
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'sha256-${new Uint8Array(digest).toBase64()}'`,
    "img-src 'self' blob: data:",
    "media-src blob: mediastream:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
