/**
 * `POST /classify` and `POST /embed`: the library's own functions over HTTP.
 *
 * @module
 */

import { checkEmbedding } from "../../output/embedding.ts";
import { checkViews } from "../../input/views.ts";
import { checkSelection, selectPredictions } from "../../output/predictions.ts";
import { type Context, eachImage, withImages } from "./context.ts";
import {
  checkingOptions,
  classifyOptions,
  embedOptions,
  selectionOptions,
  viewOptions,
} from "./options.ts";
import { HttpProblem } from "../server/problems.ts";
import { json } from "./respond.ts";

/** Predictions of one image, or of each image of a list. */
export async function classifyRoute(context: Context): Promise<Response> {
  const { call, pipeline, model } = context;
  const options = classifyOptions(call.url.searchParams);
  return await withImages(context, async (sources) => {
    const { info } = await call.within(model.get());
    const views = viewOptions(options);
    const selection = checkingOptions(() => {
      checkViews(views, info);
      return checkSelection(selectionOptions(options), info.labels);
    });
    return await json(
      await eachImage(
        sources,
        context,
        async (image) =>
          selectPredictions(await pipeline.scores(image, views, call), selection, info.labels),
        (predictions) => ({ predictions }),
      ),
    );
  });
}

/** Numbers in an answer: some 20 MB of JSON. */
const MAX_VALUES = 2 ** 20;

/** The embedding of one image, or of each image of a list. */
export async function embedRoute(context: Context): Promise<Response> {
  const { call, pipeline, model } = context;
  const options = embedOptions(call.url.searchParams);
  return await withImages(context, async (sources) => {
    const { info } = await call.within(model.get());
    checkingOptions(() => checkEmbedding(options, info.architecture));
    const result = await eachImage(
      sources,
      context,
      async (image) => {
        const { layer, shape, data } = await pipeline.embed(image, options, call);
        const values = data.length * sources.images.length;
        if (values > MAX_VALUES) {
          throw new HttpProblem(
            "bad-option",
            `Expected an answer of at most ${MAX_VALUES} values, found ${values} of ${layer}: ` +
              `use pooling, or send fewer images`,
          );
        }
        return { layer, shape, data: [...data] };
      },
      (embedding) => embedding,
    );
    return await json(result);
  });
}
