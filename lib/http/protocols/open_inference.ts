/**
 * The Open Inference Protocol, version 2, as KServe and Triton speak it.
 *
 * @module
 */

import { checkSelection, selectPredictions } from "../../output/predictions.ts";
import { VERSION } from "../../version.ts";
import type { Pipeline } from "../queue/pipeline.ts";
import type { Call } from "../server/call.ts";
import { taggedJson } from "../server/respond.ts";
import { checkingOptions } from "./options.ts";
import { HttpProblem, STATUS } from "../server/problems.ts";
import { readInferRequest, type WantedOutput } from "./tensors.ts";

/** `GET /v2`: what this server is. */
export async function serverRoute({ request }: Call): Promise<Response> {
  const extensions = ["binary_tensor_data"];
  return await taggedJson(request, { name: "@edge/vgg16", version: VERSION, extensions });
}

/** `GET /v2/models/{model}`: the tensors that go in and come out. */
export async function modelRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  const info = await pipeline.info(call);
  const { channels } = info.architecture.input;
  return await taggedJson(call.request, {
    name: info.model,
    versions: [VERSION],
    platform: `vgg16_${info.backend}`,
    inputs: [
      { name: "image", datatype: "BYTES", shape: [-1] },
      // Pixels of any size, resized as a file's are: R, G, B, 0…255.
      { name: "pixels", datatype: "UINT8", shape: [-1, -1, -1, channels] },
      { name: "pixels", datatype: "FP32", shape: [-1, -1, -1, channels] },
    ],
    outputs: [
      { name: "label", datatype: "BYTES", shape: [-1, -1] },
      { name: "score", datatype: "FP32", shape: [-1, -1] },
      { name: "index", datatype: "INT32", shape: [-1, -1] },
    ],
  });
}

/** `GET /v2/models/{model}/ready`. */
export async function modelReadyRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  await pipeline.info(call);
  return new Response(null, { status: STATUS.ok });
}

/**
 * `POST /v2/models/{model}/infer`.
 *
 * One input tensor: BYTES `[N]`, image files as base64; or UINT8 or FP32 `[N, H, W, C]`, pixels
 * 0…255. The parameter `top_k` says how many labels are returned for each image. All images are
 * classified, or none.
 */
export async function inferRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  using _place = pipeline.admit(1);
  const body = await call.receive();
  const info = await pipeline.info(call);
  const header = call.request.headers.get("inference-header-content-length");
  const request = readInferRequest(body, header, info.architecture.input.channels);
  const { images, id, parameters } = request;
  const { maxImages } = pipeline.settings;
  if (images.length > maxImages) {
    throw new HttpProblem(
      "too-many-images",
      `Expected a batch of at most ${maxImages}, found ${images.length}`,
    );
  }
  call.costs.images = images.length;
  using _places = pipeline.admit(images.length - 1);
  const { top_k: topK } = parameters as { top_k?: number };
  const selection = checkingOptions(() => checkSelection({ topK }, info.labels));
  const scores = await Promise.all(images.map((image) => pipeline.scores(image, {}, call)));
  const rows = scores.map((row) => selectPredictions(row, selection, info.labels));
  return Response.json({
    model_name: info.model,
    model_version: VERSION,
    ...(id === undefined ? {} : { id }),
    outputs: outputsOf(rows, request.outputs),
  });
}

type Rows = readonly (readonly { label: string; score: number; index: number }[])[];

const OUTPUTS = [
  ["label", "BYTES"],
  ["score", "FP32"],
  ["index", "INT32"],
] as const;

function outputsOf(rows: Rows, wanted: readonly WantedOutput[] | undefined): unknown[] {
  const unknown = wanted?.find(({ name }) => !OUTPUTS.some(([known]) => known === name));
  if (unknown !== undefined) {
    throw new HttpProblem(
      "bad-request",
      `Expected outputs named label, score or index, found "${unknown.name}"`,
    );
  }
  return OUTPUTS.filter(([name]) => wanted?.some((output) => output.name === name) ?? true)
    .map(([name, datatype]) => ({
      name,
      datatype,
      shape: [rows.length, rows[0].length],
      data: rows.flatMap((row) => row.map((prediction) => prediction[name])),
    }));
}
