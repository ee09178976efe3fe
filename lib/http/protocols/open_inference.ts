/** The Open Inference Protocol, version 2, as KServe and Triton speak it. */

import type { ImageClassifierInfo } from "../../classifier.ts";
import type { Pixels } from "../../image/image.ts";
import { checkSelection, type Prediction, selectPredictions } from "../../output/predictions.ts";
import { headOf } from "../../model/architecture.ts";
import { jsonText } from "../../model/json.ts";
import { VERSION } from "../../version.ts";
import type { Pipeline } from "../queue/pipeline.ts";
import type { Call } from "../server/call.ts";
import { notReady, taggedJson } from "../server/respond.ts";
import { checkCount, decodeBase64 } from "./images.ts";
import { parseJson } from "./json.ts";
import { badRequest, checkingOptions, STATUS } from "../server/problems.ts";

/** `GET /v2`: what this server is. */
export async function serverRoute({ request }: Call): Promise<Response> {
  const extensions = ["binary_tensor_data"];
  return await taggedJson(request, { name: "@edge/vgg16", version: VERSION, extensions });
}

/** `GET /v2/models/{model}`: the tensors that go in and come out. */
export async function modelRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  const info = await pipeline.info(call);
  const channels = channelsOf(info);
  return await taggedJson(call.request, {
    name: info.model,
    versions: [VERSION],
    platform: info.backend === undefined ? "custom" : `vgg16_${info.backend}`,
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
    parameters: {
      head: info.architecture && headOf(info.architecture),
      multi_label: info.multiLabel,
    },
  });
}

/** A network of another kind gets RGB. */
function channelsOf({ architecture }: ImageClassifierInfo): number {
  return architecture?.input.channels ?? 3;
}

/** `GET /v2/models/{model}/ready`. */
export function modelReadyRoute(call: Call, pipeline: Pipeline): Response {
  return pipeline.isReady(call) ? new Response(null, { status: STATUS.ok }) : notReady(0);
}

/**
 * `POST /v2/models/{model}/infer`.
 *
 * One input tensor: BYTES `[N]`, image files as base64; or UINT8 or FP32 `[N, H, W, C]`, pixels
 * 0…255. The parameter `top_k` says how many labels are returned for each image. All images are
 * classified, or none.
 */
export async function inferRoute(call: Call, pipeline: Pipeline): Promise<Response> {
  pipeline.checkRoom();
  const body = await call.receive();
  const info = await pipeline.info(call);
  const header = call.request.headers.get("inference-header-content-length");
  const { id, topK, images, outputs } = readInferRequest(
    body,
    header,
    channelsOf(info),
    pipeline.settings.maxImages,
  );
  call.costs.images = images.length;
  using _places = pipeline.admit(images.length);
  const selection = checkingOptions(() => checkSelection({ topK }, info.classes));
  const scores = await Promise.all(images.map((image) => pipeline.scores(image, {}, call)));
  const rows = scores.map((row) => selectPredictions(row, selection, info));
  return Response.json({
    model_name: info.model,
    model_version: VERSION,
    ...(id === undefined ? {} : { id }),
    outputs: outputsOf(rows, outputs),
  });
}

const OUTPUTS = [["label", "BYTES"], ["score", "FP32"], ["index", "INT32"]] as const;

function outputsOf(
  rows: readonly (readonly Prediction[])[],
  wanted: readonly WantedOutput[] | undefined,
): unknown[] {
  const unknown = wanted?.find(({ name }) => !OUTPUTS.some(([known]) => known === name));
  if (unknown !== undefined) {
    throw badRequest(`Expected outputs named label, score or index, found "${unknown.name}"`);
  }
  return OUTPUTS.filter(([name]) => wanted?.some((output) => output.name === name) ?? true)
    .map(([name, datatype]) => ({
      name,
      datatype,
      shape: [rows.length, rows[0]?.length ?? 0],
      data: rows.flatMap((row) => row.map((prediction) => prediction[name])),
    }));
}

interface WantedOutput {
  readonly name: string;
}

interface InferRequest {
  readonly id?: string;
  readonly topK?: number;
  readonly images: readonly (Uint8Array | Pixels)[];
  readonly outputs?: readonly WantedOutput[];
}

interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: unknown;
  /** The tensor's bytes, where they follow the JSON. */
  readonly binary: Uint8Array | undefined;
}

/**
 * Reads a request.
 *
 * `headerLength` is the Inference-Header-Content-Length: where it is given, tensors follow the JSON
 * as bytes (Triton's binary tensor data extension), as long as their `binary_data_size`.
 *
 * @throws {HttpProblem} `bad-request`, `too-many-images`
 */
function readInferRequest(
  body: Uint8Array,
  headerLength: string | null,
  channels: number,
  maxImages: number,
): InferRequest {
  const length = headerLength === null ? body.length : Number(headerLength);
  if (!(Number.isInteger(length) && length > 0 && length <= body.length)) {
    throw badRequest(
      `Expected JSON of 1 to ${body.length} bytes, found a length of ${headerLength}`,
    );
  }
  const { id, parameters, inputs, outputs } = parseJson(body.subarray(0, length));
  if (!Array.isArray(inputs) || inputs.length !== 1) {
    throw badRequest("Expected inputs to be a list of one tensor");
  }
  if (outputs !== undefined && !isOutputs(outputs)) {
    throw badRequest("Expected outputs to be a list of objects with a name");
  }
  if (typeof id === "string" && id.length > MAX_ID) {
    throw badRequest(`Expected an id of at most ${MAX_ID} characters, found ${id.length}`);
  }
  const tensor = readTensor(inputs[0], body.subarray(length));
  return {
    id: typeof id === "string" ? id : undefined,
    // Checked with the other options.
    topK: (parameters as { top_k?: number } | null)?.top_k,
    images: tensor.datatype === "BYTES"
      ? files(tensor, maxImages)
      : pixels(tensor, channels, maxImages),
    outputs,
  };
}

/** Characters of a request's id, which its answer repeats. */
const MAX_ID = 512;

function isOutputs(value: unknown): value is WantedOutput[] {
  return Array.isArray(value) && value.every((output) => typeof output?.name === "string");
}

function readTensor(input: unknown, rest: Uint8Array): Tensor {
  const { name, datatype, shape, data, parameters } = (input ?? {}) as Record<string, unknown>;
  if (typeof name !== "string" || typeof datatype !== "string" || !isShape(shape)) {
    throw badRequest("Expected an input of {name, datatype, shape, data}");
  }
  const size = (parameters as { binary_data_size?: unknown } | undefined)?.binary_data_size;
  if (size === undefined) {
    if (!Array.isArray(data)) throw badRequest(`Expected data of input "${name}" to be a list`);
    return { name, datatype, shape, data, binary: undefined };
  }
  if (size !== rest.length) {
    throw badRequest(
      `Expected ${jsonText(size)} bytes of input "${name}" after the JSON, found ${rest.length}`,
    );
  }
  return { name, datatype, shape, data, binary: rest };
}

function isShape(shape: unknown): shape is number[] {
  return Array.isArray(shape) && shape.length > 0 &&
    shape.every((side) => Number.isInteger(side) && side > 0 && side < 2 ** 31);
}

/**
 * BYTES `[N]` or `[N, 1]`: base64 in JSON; each after its length as 4 bytes, little-endian, in
 * binary.
 */
function files({ name, shape, data, binary }: Tensor, maxImages: number): Uint8Array[] {
  const expected = shape.reduce((product, side) => product * side, 1);
  checkCount(expected, maxImages);
  const contents = binary ? splitBytes(binary) : (data as unknown[]).flat();
  const found: Uint8Array[] = [];
  for (const content of contents) {
    if (found.length === expected) {
      throw badRequest(`Expected ${expected} elements of input "${name}", found more`);
    }
    if (typeof content === "string") found.push(decodeBase64(content));
    else if (content instanceof Uint8Array) found.push(content);
    else throw badRequest(`Expected base64 in input "${name}"`);
  }
  if (found.length === expected) return found;
  throw badRequest(`Expected ${expected} elements of input "${name}", found ${found.length}`);
}

function* splitBytes(binary: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(binary.buffer, binary.byteOffset, binary.length);
  for (let at = 0; at < binary.length;) {
    const length = at + 4 <= binary.length ? view.getUint32(at, true) : Infinity;
    if (at + 4 + length > binary.length) throw badRequest("The binary data ends within an element");
    yield binary.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
}

/** UINT8 or FP32 `[N, H, W, C]`, 0…255, flat or nested. Reals are rounded to bytes. */
function pixels(tensor: Tensor, channels: number, maxImages: number): Pixels[] {
  const { name, datatype, shape } = tensor;
  const [count = 0, height = 0, width = 0, depth] = shape;
  if (datatype !== "UINT8" && datatype !== "FP32") {
    throw badRequest(
      `Expected datatype BYTES, UINT8 or FP32 of input "${name}", found ${datatype}`,
    );
  }
  if (shape.length !== 4 || depth !== channels) {
    throw badRequest(
      `Expected input "${name}" of shape [N, H, W, ${channels}], found [${shape.join(", ")}]`,
    );
  }
  const size = height * width * depth;
  const values = valuesOf(tensor);
  // Before anything as large as the shape says is allocated.
  if (values.length !== count * size) {
    throw badRequest(`Expected ${count * size} values of input "${name}", found ${values.length}`);
  }
  checkCount(count, maxImages);
  const bytes = new Uint8Array(count * size);
  for (let i = 0; i < bytes.length; i++) {
    const value = values[i];
    if (!(typeof value === "number" && value >= 0 && value <= 255)) {
      throw badRequest(
        `Expected numbers from 0 to 255 in input "${name}", found ${jsonText(value)} at ${i}`,
      );
    }
    bytes[i] = Math.round(value);
  }
  return Array.from({ length: count }, (_, n) => ({
    data: bytes.subarray(n * size, (n + 1) * size),
    width,
    height,
  }));
}

function valuesOf({ datatype, data, binary }: Tensor): ArrayLike<unknown> {
  if (binary === undefined) {
    const values = data as unknown[];
    return Array.isArray(values[0]) ? values.flat(3) : values;
  }
  if (datatype === "UINT8") return binary;
  if (binary.length % 4 !== 0) throw badRequest("Expected FP32 data of a multiple of 4 bytes");
  return new Float32Array(binary.slice().buffer);
}
