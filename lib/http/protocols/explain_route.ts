/**
 * `POST /explain`: what speaks for a class, as a picture or as numbers.
 *
 * @module
 */

import { checkExplanation } from "../../explain/explain.ts";
import type { Pipeline } from "../queue/pipeline.ts";
import type { Call } from "../server/call.ts";
import { onlyImage, withImages } from "./images.ts";
import { checkingOptions, explainOptions } from "./options.ts";

/** A PNG with the heat map over the picture, or JSON for a client that accepts it and no PNG. */
export async function explainRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  const options = explainOptions(call.url.searchParams);
  return await withImages(call, pipeline, async (found) => {
    const image = onlyImage(found);
    const info = await pipeline.info(call);
    checkingOptions(() => checkExplanation(options, info));
    const explanation = await pipeline.explain(image, options, call);
    const accept = call.request.headers.get("accept") ?? "";
    if (accept.includes("json") && !accept.includes("image/png")) {
      const { label, index, score, method, map, height, width, grid } = explanation;
      return Response.json({ label, index, score, method, map: [...map], height, width, grid });
    }
    // Few requests draw, so that the others need not load what draws.
    const { drawExplanation } = await import("../../explain/draw.ts");
    const { encodePng } = await import("../../image/codecs/encode_png.ts");
    const picture = await encodePng(await drawExplanation(explanation));
    return new Response(picture, { headers: { "content-type": "image/png" } });
  });
}
