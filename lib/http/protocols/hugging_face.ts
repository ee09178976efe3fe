/**
 * Hugging Face's image-classification wire format: `POST /` and `POST /models/{model}`.
 *
 * Raw image bytes, with or without a Content-Type, or `{"inputs": base64, "parameters": {"top_k",
 * "function_to_apply"}}` give `[{"label", "score"}, …]`, best first.
 */

import type { ImageClassifierInfo } from "../../classifier.ts";
import { type Complete, completeOptions, type Values } from "../../options.ts";
import { HUGGING_FACE_PARAMETERS } from "../../options/service.ts";
import {
  checkSelection,
  classLogits,
  selectPredictions,
  sigmoid,
  softmax,
} from "../../output/predictions.ts";
import type { Pipeline } from "../queue/pipeline.ts";
import type { Call } from "../server/call.ts";
import { checkingOptions, HttpProblem } from "../server/problems.ts";
import { onlyImage, withImages } from "./images.ts";

type Parameters = Complete<typeof HUGGING_FACE_PARAMETERS>;

/** Labels and scores of one image. */
export async function huggingFaceRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  return await withImages(call, pipeline, async (found) => {
    const info = await pipeline.info(call);
    const image = onlyImage(found);
    const { top_k, function_to_apply: apply } = readParameters(found.parameters);
    const selection = checkingOptions(() => checkSelection({ topK: top_k }, info.classes));
    const scores = await scoresOf(image, apply, info, call, pipeline);
    const threshold = { ...selection, scoreThreshold: -Infinity };
    return Response.json(
      selectPredictions(scores, threshold, info).map(({ label, score }) => ({
        label,
        score,
      })),
    );
  });
}

/** A parameter that is null is not given, and one of another task does not count. */
function readParameters(given: Readonly<Record<string, unknown>> = {}): Parameters {
  const values = Object.entries(given).filter(([, value]) => value !== null);
  const options: Values<typeof HUGGING_FACE_PARAMETERS> = Object.fromEntries(values);
  return checkingOptions(() => completeOptions(HUGGING_FACE_PARAMETERS, options));
}

type Apply = Parameters["function_to_apply"];

/**
 * What a function gives: `none` the logits as they are, the others scores at the model's temperature. Of one
 * logit for two labels there is one for each: it, and for the first its negative.
 */
async function scoresOf(
  image: Uint8Array | URL,
  apply: Apply,
  info: ImageClassifierInfo,
  call: Call,
  pipeline: Pipeline,
): Promise<Float64Array> {
  if (isOwn(apply, info)) return await pipeline.scores(image, {}, call);
  if (info.readout !== undefined) {
    const detail = `The model ${info.model} gives scores alone: ask for softmax`;
    throw new HttpProblem("not-supported", detail);
  }
  const { data } = await pipeline.embed(image, { layer: "fc8", pooling: "avg" }, call);
  const logits = classLogits(data, info.architecture?.head);
  if (apply === "none") return logits;
  const scale = 1 / (info.temperature ?? 1);
  return apply === "softmax" ? softmax(logits, scale) : sigmoid(logits, scale);
}

/** Whether it gives the model's own scores. Of one logit a soft-max, with 0 for the other label, is its sigmoid. */
function isOwn(apply: Apply, { architecture, multiLabel = false }: ImageClassifierInfo): boolean {
  if (apply === "softmax") return !multiLabel;
  if (apply === "sigmoid") return multiLabel || architecture?.head === "sigmoid";
  return apply === undefined;
}
