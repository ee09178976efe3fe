/**
 * `POST /classify` and `POST /embed`: the library's own functions over HTTP.
 *
 * @module
 */

import { checkViews } from "../../input/views.ts";
import { checkEmbedding } from "../../output/embedding.ts";
import { pickOptions, VIEW_OPTIONS } from "../../options.ts";
import { checkSelection, selectPredictions } from "../../output/predictions.ts";
import type { Pipeline } from "../queue/pipeline.ts";
import type { Call } from "../server/call.ts";
import { HttpProblem } from "../server/problems.ts";
import { eachImage, withImages } from "./images.ts";
import { checkingOptions, classifyOptions, embedOptions } from "./options.ts";

/** Predictions of one image, or of each image of a list. */
export async function classifyRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  const options = classifyOptions(call.url.searchParams);
  return await withImages(call, pipeline, async (found) => {
    const info = await pipeline.info(call);
    const views = pickOptions(VIEW_OPTIONS, options);
    const selection = checkingOptions(() => {
      checkViews(views, info);
      return checkSelection(options, info.labels);
    });
    const predict = async (image: Uint8Array | URL) =>
      selectPredictions(await pipeline.scores(image, views, call), selection, info.labels);
    return Response.json(await eachImage(found, call, predict, (predictions) => ({ predictions })));
  });
}

/** Numbers in an answer: some 20 MB of JSON. */
const MAX_VALUES = 2 ** 20;

/** The embedding of one image, or of each image of a list. */
export async function embedRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  const options = embedOptions(call.url.searchParams);
  return await withImages(call, pipeline, async (found) => {
    const info = await pipeline.info(call);
    checkingOptions(() => checkEmbedding(options, info.architecture));
    const embed = async (image: Uint8Array | URL) => {
      const { layer, shape, data } = await pipeline.embed(image, options, call);
      const values = data.length * found.images.length;
      if (values > MAX_VALUES) {
        throw new HttpProblem(
          "bad-option",
          `Expected an answer of at most ${MAX_VALUES} values, found ${values} of ${layer}: ` +
            `use pooling, or send fewer images`,
        );
      }
      return { layer, shape, data: [...data] };
    };
    return Response.json(await eachImage(found, call, embed, (embedding) => embedding));
  });
}
