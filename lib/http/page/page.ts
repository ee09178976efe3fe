/** The page for people: one HTML file and one script, from this folder, under a strict policy. */

import { toBase64 } from "../../encoding.ts";
import { VERSION } from "../../version.ts";
import type { Call } from "../server/call.ts";
import type { FILES as Files } from "./files.ts";
import { taggedJson, taggedResponse } from "../server/respond.ts";

interface Asset {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly policy: string;
}

const assets: Partial<Record<string, Promise<Asset>>> = {};

/** `GET /`: the page, or who this is for a program that asks for JSON. */
export async function pageRoute({ request, base }: Call): Promise<Response> {
  const accept = request.headers.get("accept") ?? "";
  if (accept.includes("application/json") && !accept.includes("text/html")) {
    return await taggedJson(request, {
      name: "@edge/vgg16",
      version: VERSION,
      api: `${base}/openapi.json`,
    });
  }
  return await assetResponse(request, base, "index.html", "text/html; charset=utf-8");
}

/** `GET /page.js`. */
export async function scriptRoute({ request, base }: Call): Promise<Response> {
  return await assetResponse(request, base, "page.js", "text/javascript; charset=utf-8");
}

async function assetResponse(
  request: Request,
  base: string,
  name: keyof typeof Files,
  type: string,
): Promise<Response> {
  const key = `${base}/${name}`, reading = assets[key] ??= readAsset(base, name);
  const { bytes, policy } = await reading;
  const response = await taggedResponse(request, bytes, type);
  response.headers.set("cache-control", "no-cache");
  response.headers.set("content-security-policy", policy);
  response.headers.set("permissions-policy", "camera=(self)");
  return response;
}

async function readAsset(base: string, name: keyof typeof Files): Promise<Asset> {
  const { FILES } = await import("./files.ts");
  // Without a base links are relative: a proxy may have taken a prefix off.
  const links = base === "" ? "$1" : `$1${base}/`;
  const text = FILES[name].replaceAll(/((?:src|href)=")(?=page\.js|openapi\.json)/g, links);
  return { bytes: new TextEncoder().encode(text), policy: await policyOf(text) };
}

/** Nothing from elsewhere and nothing inline, but for the page's own style, by its hash. */
async function policyOf(text: string): Promise<string> {
  const style = /<style>([^]*?)<\/style>/.exec(text)?.[1] ?? "";
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style));
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'sha256-${toBase64(new Uint8Array(digest))}'`,
    "img-src 'self' blob: data:",
    "media-src blob: mediastream:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
