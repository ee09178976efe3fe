/**
 * A Worker of Cloudflare's: `POST /classify` and the rest of the service, and a route of its own.
 *
 *     deno task build:worker
 *     npx wrangler@4.86.0 dev --config examples/worker/wrangler.jsonc
 *     curl --data-binary @cat.png localhost:8787/label
 */

import {
  classify,
  createService,
  type ErrorCode,
  isVggError,
  provideModules,
} from "@edge/vgg16/worker";
import { model, modules } from "./modules/mod.js";

provideModules(modules, model);
/** An isolate has 128 MB, in which a picture of any format and of 4 million pixels is decoded. */
const LIMITS = { maxBytes: 5_000_000, maxPixels: 4_000_000 };
const service = createService({
  maxBodyBytes: LIMITS.maxBytes,
  maxPixels: LIMITS.maxPixels,
  maxDecodePixels: LIMITS.maxPixels,
});

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    return pathname === "/label" ? await label(request) : await service.fetch(request);
  },
};

/** What is the picture's fault. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  "image-bytes": 413,
  "image-pixels": 413,
  "image-format": 415,
  "image-damaged": 422,
};

/** The label of a picture, and how sure that is. */
async function label({ method, body }: Request): Promise<Response> {
  if (method !== "POST" || body === null) {
    return Response.json({ error: "POST a picture" }, { status: 400 });
  }
  try {
    const [best] = await classify(body, LIMITS);
    return Response.json(best);
  } catch (error) {
    if (!isVggError(error)) throw error;
    const status = STATUS[error.code];
    if (status !== undefined) return Response.json({ error: error.message }, { status });
    throw error;
  }
}
