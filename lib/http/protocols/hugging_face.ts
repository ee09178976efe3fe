/**
 * Hugging Face's image-classification wire format: `POST /` and `POST /models/{model}`.
 *
 * Raw image bytes, with or without a Content-Type, or `{"inputs": base64, "parameters": {"top_k",
 * "function_to_apply"}}` give `[{"label", "score"}, …]`, best first.
 *
 * @module
 */

import { checkSelection, selectPredictions } from "../../output/predictions.ts";
import type { Pipeline } from "../queue/pipeline.ts";
import type { Call } from "../server/call.ts";
import { onlyImage, withImages } from "./images.ts";
import { checkingOptions } from "./options.ts";
import { HttpProblem } from "../server/problems.ts";

type Apply = "softmax" | "sigmoid" | "none";
const APPLY: readonly string[] = ["softmax", "sigmoid", "none"];
/** What Hugging Face's servers return if `top_k` is not given. */
const TOP_K = 5;

/** Labels and scores of one image. */
export async function huggingFaceRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  return await withImages(call, pipeline, async (found) => {
    const info = await pipeline.info(call);
    const image = onlyImage(found);
    const { top_k, function_to_apply: apply = "softmax" } = found.parameters ?? {};
    if (typeof apply !== "string" || !APPLY.includes(apply)) {
      throw new HttpProblem(
        "bad-option",
        `Expected function_to_apply to be one of ${APPLY.join(", ")}: found ${
          JSON.stringify(apply)
        }`,
      );
    }
    // Like Hugging Face's servers: a top_k above the number of classes gives them all.
    const topK = typeof top_k === "number" ? Math.min(top_k, info.labels.length) : undefined;
    if (top_k !== undefined && top_k !== null && topK === undefined) {
      throw new HttpProblem("bad-option", `Expected top_k to be a number: found ${typeof top_k}`);
    }
    const selection = checkingOptions(() =>
      checkSelection({ topK: topK ?? Math.min(TOP_K, info.labels.length) }, info.labels)
    );
    const scores = await scoresOf(image, apply as Apply, call, pipeline);
    const threshold = { ...selection, scoreThreshold: -Infinity };
    return Response.json(
      selectPredictions(scores, threshold, info.labels).map(({ label, score }) => ({
        label,
        score,
      })),
    );
  });
}

async function scoresOf(
  image: Uint8Array | URL,
  apply: Apply,
  call: Call,
  pipeline: Pipeline,
): Promise<Float64Array> {
  if (apply === "softmax") return await pipeline.scores(image, {}, call);
  const { data } = await pipeline.embed(image, { layer: "fc8", pooling: "avg" }, call);
  const logits = Float64Array.from(data);
  return apply === "none" ? logits : logits.map((logit) => 1 / (1 + Math.exp(-logit)));
}
