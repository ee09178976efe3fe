/**
 * The images of a request: found in its body, which is raw bytes, a multipart form or JSON, and answered
 * one by one.
 */

import { fromBase64 } from "../../encoding.ts";
import type { Pipeline } from "../queue/pipeline.ts";
import type { Call } from "../server/call.ts";
import { badRequest, HttpProblem, problemBody, toProblem } from "../server/problems.ts";
import { shortened } from "../../options.ts";
import { publicUrl } from "../../public_url.ts";
import { filesOfForm } from "./form.ts";
import { parseJson } from "./json.ts";

/** The images of a request. */
export interface RequestImages {
  /** Files, or where to fetch them. */
  readonly images: readonly (Uint8Array | URL)[];
  /**
   * What they are called in the answer: by the file's name in a form, by the URL, or by number. Undefined
   * for a client that did not send a list, and so gets none.
   */
  readonly names?: readonly string[];
  /** `parameters` of a JSON body. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** Receives a request's images, and holds their places in the queue while `answer` runs. */
export async function withImages(
  call: Call,
  pipeline: Pipeline,
  answer: (found: RequestImages) => Promise<Response>,
): Promise<Response> {
  pipeline.checkRoom();
  const body = await call.receive();
  const type = call.request.headers.get("content-type");
  const found = findImages(body, type, pipeline.settings.maxImages);
  call.costs.images = found.images.length;
  using _places = pipeline.admit(found.images.length);
  return await answer(found);
}

/** Characters of a name that an answer repeats: a list's together are not longer than its results. */
const MAX_NAME = 512;

/** The image of a request that may have only one. */
export function onlyImage({ images }: RequestImages): Uint8Array | URL {
  const [image, ...others] = images;
  if (image !== undefined && others.length === 0) return image;
  throw badRequest(`Expected one image here, found ${images.length}`);
}

/**
 * Makes a result of each image. An image of a list that fails has its problem as the result; a
 * single one fails the request.
 */
export async function eachImage<Result>(
  { images, names }: RequestImages,
  call: Call,
  make: (image: Uint8Array | URL) => Promise<Result>,
  wrap: (result: Result) => Record<string, unknown>,
): Promise<unknown> {
  if (names === undefined) return await make(onlyImage({ images }));
  const settled = await Promise.allSettled(images.map(make));
  call.signal.throwIfAborted();
  return settled.map((outcome, i) => {
    const file = names[i]!.slice(0, MAX_NAME);
    if (outcome.status === "fulfilled") return { file, ...wrap(outcome.value) };
    const problem = toProblem(outcome.reason);
    if (problem.status >= 500) throw outcome.reason;
    const { status, code, detail } = problemBody(problem);
    return { file, error: { status, code, detail } };
  });
}

/** Media types of a body, and how they are read; `sniff` is JSON if it looks so, or raw bytes. */
const READERS: readonly (readonly [RegExp, "raw" | "json" | "form" | "sniff"])[] = [
  [/^$/, "sniff"],
  // What Hugging Face's JavaScript client says of its JSON.
  [/^text\/plain$/, "sniff"],
  [/^image\//, "raw"],
  [/^application\/octet-stream$/, "raw"],
  // What curl's --data-binary says, whatever the data.
  [/^application\/x-www-form-urlencoded$/, "raw"],
  [/^application\/json$/, "json"],
  [/^multipart\/form-data$/, "form"],
];

const OPENING_BRACE = 0x7b;

/**
 * Finds the images in a body.
 *
 * @throws {HttpProblem} `unsupported-type`, `bad-request` or `too-many-images`
 */
function findImages(
  body: Uint8Array,
  contentType: string | null,
  maxImages: number,
): RequestImages {
  if (body.length === 0) throw badRequest("Expected an image file in the body, found no bytes");
  const type = contentType?.replace(/;.*/, "").trim().toLowerCase() ?? "";
  const listed = READERS.find(([pattern]) => pattern.test(type))?.[1];
  const reader = listed === "sniff" ? (body[0] === OPENING_BRACE ? "json" : "raw") : listed;
  if (reader === undefined) {
    throw new HttpProblem(
      "unsupported-type",
      `Expected an image, multipart/form-data or application/json, found ${type}`,
    );
  }
  if (reader === "raw") return { images: [body] };
  return reader === "json" ? fromJson(body, maxImages) : fromForm(body, contentType!, maxImages);
}

/**
 * Holds how many images there are against the setting, before anything is done with one of them.
 *
 * @throws {HttpProblem} `too-many-images`
 */
export function checkCount(images: number, maxImages: number): void {
  if (images <= maxImages) return;
  const detail = `Expected at most ${maxImages} images in a request, found ${images}`;
  throw new HttpProblem("too-many-images", detail);
}

function fromForm(body: Uint8Array, contentType: string, maxImages: number): RequestImages {
  const files = filesOfForm(body, contentType, maxImages);
  if (files.length === 0) throw badRequest("Expected files in the multipart form, found none");
  return { images: files.map(({ bytes }) => bytes), names: files.map(({ name }) => name) };
}

function fromJson(body: Uint8Array, maxImages: number): RequestImages {
  const { url, inputs, parameters = {} } = parseJson(body);
  if ((url === undefined) === (inputs === undefined)) {
    throw badRequest(
      'Expected {"inputs": base64} or {"url": address}, each of them a text or a list of texts',
    );
  }
  if (typeof parameters !== "object" || parameters === null) {
    throw badRequest("Expected parameters to be an object");
  }
  const given = url ?? inputs;
  const texts = Array.isArray(given) ? given : [given];
  checkCount(texts.length, maxImages);
  const images = texts.map((text, i) => {
    if (typeof text === "string") return url === undefined ? decodeBase64(text) : parseUrl(text);
    throw badRequest(`Expected image ${i} as a text, found ${typeof text}`);
  });
  const names = texts.map((text, i) => url === undefined ? String(i) : publicUrl(text));
  return {
    images,
    names: Array.isArray(given) ? names : undefined,
    parameters: parameters as Record<string, unknown>,
  };
}

/**
 * Decodes base64, with or without a `data:` URL's start.
 *
 * @throws {HttpProblem} `bad-request` if it is none
 */
export function decodeBase64(text: string): Uint8Array {
  try {
    return fromBase64(text.replace(/^data:[^,]*,/, ""));
  } catch (error) {
    throw badRequest(`Expected base64: ${(error as Error).message}`, error);
  }
}

/** Characters of a URL; browsers and servers take hardly more. */
const MAX_URL_LENGTH = 8192;

function parseUrl(text: string): URL {
  if (text.length > MAX_URL_LENGTH) {
    const detail = `Expected a URL of at most ${MAX_URL_LENGTH} characters, found ${text.length}`;
    throw new HttpProblem("bad-url", detail);
  }
  const url = URL.parse(text);
  if (url !== null) return url;
  throw new HttpProblem("bad-url", `Expected a URL, found "${shortened(publicUrl(text))}"`);
}
