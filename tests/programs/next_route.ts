/**
 * `app/api/label/route.ts` of a Next.js application. Its types need none of Next's, whose package has
 * 192 MB: a route takes the web's `Request` and gives its `Response`.
 */

import { classify, isVggError } from "@edge/vgg16";

export const runtime = "nodejs";

export async function POST(request: Request): Promise<Response> {
  const photo = (await request.formData()).get("photo");
  if (!(photo instanceof File)) return Response.json({ error: "no photo" }, { status: 400 });
  try {
    return Response.json(await classify(photo, { topK: 3, maxPixels: 25_000_000 }));
  } catch (error) {
    if (!isVggError(error)) throw error;
    const status = error.code.startsWith("image-") ? 422 : error.retryable ? 503 : 500;
    return Response.json({ error: error.message, code: error.code }, { status });
  }
}
