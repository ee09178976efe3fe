/**
 * `POST /explain`: what speaks for a class, as a picture or as numbers.
 *
 * @module
 */

import { checkViews } from "../../input/views.ts";
import { indexOfLabel } from "../../output/predictions.ts";
import { type Context, withImages } from "./context.ts";
import { checkingOptions, explainOptions } from "./options.ts";
import { HttpProblem } from "../server/problems.ts";
import { bytesResponse, json } from "./respond.ts";

/** A PNG with the heat map over the picture, or JSON for a client that accepts it and no PNG. */
export async function explainRoute(context: Context): Promise<Response> {
  const { call, pipeline, model } = context;
  const options = explainOptions(call.url.searchParams);
  return await withImages(context, async ({ images }) => {
    if (images.length !== 1) {
      throw new HttpProblem("bad-request", `Expected one image here, found ${images.length}`);
    }
    const { info } = await call.within(model.get());
    checkingOptions(() => {
      if (options.label !== undefined) indexOfLabel(options.label, info.labels);
      checkViews({ scales: options.scale === undefined ? undefined : [options.scale] }, info);
      checkMethod(options.method, options.scale);
    });
    const explanation = await pipeline.explain(images[0], options, call);
    const accept = call.request.headers.get("accept") ?? "";
    if (accept.includes("json") && !accept.includes("image/png")) {
      const { label, index, score, method, map, height, width, grid } = explanation;
      return await json({ label, index, score, method, map: [...map], height, width, grid });
    }
    // Few requests draw, so that the others need not load what draws.
    const { drawExplanation } = await import("../../explain/draw.ts");
    const { encodePng } = await import("../../image/codecs/encode_png.ts");
    return await bytesResponse(await encodePng(await drawExplanation(explanation)), "image/png");
  });
}

function checkMethod(method: string | undefined, scale: number | undefined): void {
  if (method !== undefined && method !== "grad-cam" && method !== "score-map") {
    throw new RangeError(`method must be grad-cam or score-map: found "${method}"`);
  }
  if (method === "score-map" && scale === undefined) {
    throw new RangeError("method=score-map needs a scale above the model's input size");
  }
}
