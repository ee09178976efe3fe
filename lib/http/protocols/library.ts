/**
 * `POST /classify`, `/embed` and `/explain`: the library's own functions over HTTP. Their options are
 * query parameters.
 */

import type { ImageClassifierInfo } from "../../classifier.ts";
import { checkExplanation } from "../../explain/explain.ts";
import type { Architecture } from "../../model/architecture.ts";
import { checkViews } from "../../input/views.ts";
import { checkEmbedding } from "../../output/embedding.ts";
import {
  EMBEDDING_OPTIONS,
  pickOptions,
  readOptions,
  type Table,
  type Values,
  VIEW_OPTIONS,
} from "../../options.ts";
import { CLASSIFY_PARAMETERS, EXPLAIN_PARAMETERS } from "../../options/service.ts";
import { checkSelection, selectPredictions } from "../../output/predictions.ts";
import type { Pipeline } from "../queue/pipeline.ts";
import type { Call } from "../server/call.ts";
import { checkingOptions, HttpProblem } from "../server/problems.ts";
import { eachImage, onlyImage, withImages } from "./images.ts";

/** Tells that each label has a score of its own, which the page says too. */
const MULTI_LABEL = { "x-multi-label": "true" };

/** Predictions of one image, or of each image of a list. */
export async function classifyRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  const options = readQuery(call.url.searchParams, CLASSIFY_PARAMETERS);
  return await withImages(call, pipeline, async (found) => {
    const info = await pipeline.info(call);
    const views = pickOptions(VIEW_OPTIONS, options);
    const selection = checkingOptions(() => {
      if (isVgg(info)) checkViews(views, info);
      return checkSelection(options, info.classes);
    });
    const predict = async (image: Uint8Array | URL) =>
      selectPredictions(await pipeline.scores(image, views, call), selection, info);
    const answer = await eachImage(found, call, predict, (predictions) => ({ predictions }));
    return Response.json(answer, info.multiLabel ? { headers: MULTI_LABEL } : {});
  });
}

/** Numbers in an answer: some 20 MB of JSON. */
const MAX_VALUES = 2 ** 20;

/** The embedding of one image, or of each image of a list. */
export async function embedRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  const options = readQuery(call.url.searchParams, EMBEDDING_OPTIONS);
  return await withImages(call, pipeline, async (found) => {
    const info = await pipeline.info(call);
    if (isVgg(info)) checkingOptions(() => checkEmbedding(options, info));
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

/** What speaks for a class: a PNG with a heat map over the picture, or JSON for a client that accepts it and no PNG. */
export async function explainRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  const options = readQuery(call.url.searchParams, EXPLAIN_PARAMETERS);
  return await withImages(call, pipeline, async (found) => {
    const image = onlyImage(found);
    const info = await pipeline.info(call);
    if (isVgg(info)) checkingOptions(() => checkExplanation(options, info, info.classes));
    const explanation = await pipeline.explain(image, options, call);
    const accept = call.request.headers.get("accept") ?? "";
    if (accept.includes("json") && !accept.includes("image/png")) {
      const { image: _, map, ...rest } = explanation;
      return Response.json({ ...rest, map: [...map] });
    }
    // Few requests draw, so that the others need not load what draws.
    const { drawExplanation } = await import("../../explain/draw.ts");
    const { encodePng } = await import("../../image/codecs/encode_png.ts");
    const picture = await encodePng(await drawExplanation(explanation));
    return new Response(picture, { headers: { "content-type": "image/png" } });
  });
}

/** Whether options can be checked before images are; what is of another kind checks them itself. */
function isVgg<Info extends ImageClassifierInfo>(
  info: Info,
): info is Info & { architecture: Architecture } {
  return info.architecture !== undefined;
}

/** Query parameters, which have the names of the options; a list's is repeated: labels have commas. */
function readQuery<T extends Table>(query: URLSearchParams, table: T): Values<T> {
  const texts = [...new Set(query.keys())].map((name) => [name, query.getAll(name)] as const);
  return checkingOptions(() => readOptions(table, texts, "parameter"));
}
