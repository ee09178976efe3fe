/**
 * What a route's function gets.
 *
 * @module
 */

import type { Call } from "../server/call.ts";
import { findImages, type ImageSource, type ImageSources } from "./images.ts";
import type { Pipeline } from "../queue/pipeline.ts";
import { HttpProblem, problemBody, toProblem } from "../server/problems.ts";
import type { ServedModel } from "../queue/served_model.ts";
import type { Settings } from "../server/settings.ts";

/** A request, and all that it takes to answer it. */
export interface Context {
  readonly call: Call;
  readonly settings: Settings;
  readonly pipeline: Pipeline;
  readonly model: ServedModel;
  /** What stands in the path for a route's `:name`. */
  readonly path: Readonly<Record<string, string>>;
}

/** Receives a request's images, and holds their places in the queue while `answer` runs. */
export async function withImages(
  { call, settings, pipeline }: Context,
  answer: (sources: ImageSources) => Promise<Response>,
): Promise<Response> {
  // The place comes before the body: a full service says so at once.
  using _place = pipeline.admit(1);
  const body = await call.receive();
  const type = call.request.headers.get("content-type");
  const sources = await findImages(body, type, settings.maxImages);
  call.costs.images = sources.images.length;
  using _places = pipeline.admit(sources.images.length - 1);
  return await answer(sources);
}

/**
 * Makes a result of each image. An image of a list that fails has its problem as the result; a
 * single one fails the request.
 */
export async function eachImage<Result>(
  { images, isList }: ImageSources,
  context: Context,
  make: (image: ImageSource) => Promise<Result>,
  wrap: (result: Result) => Record<string, unknown>,
): Promise<unknown> {
  if (!isList) return await make(images[0]);
  const settled = await Promise.allSettled(images.map(make));
  context.call.signal.throwIfAborted();
  return settled.map((outcome, i) => {
    const file = images[i].name;
    if (outcome.status === "fulfilled") return { file, ...wrap(outcome.value) };
    const problem = toProblem(outcome.reason);
    if (problem.status >= 500) throw outcome.reason;
    const { status, code, detail } = problemBody(problem);
    return { file, error: { status, code, detail } };
  });
}

/**
 * Checks that a path names the served model: its id, with or without an owner before it.
 *
 * @throws {HttpProblem} `not-found`
 */
export function checkModel(name: string, served: string): void {
  if (name === served || name.split("/").at(-1) === served) return;
  throw new HttpProblem(
    "not-found",
    `There is no model "${name}" here: this service has ${served}`,
  );
}
