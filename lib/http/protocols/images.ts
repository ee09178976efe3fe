/**
 * Request bodies -> the image files in them: raw bytes, multipart forms, JSON.
 *
 * @module
 */

import { HttpProblem } from "../server/problems.ts";

/** One image of a request: its file's bytes, or where to fetch them. */
export interface ImageSource {
  /** The file's name in a form, a URL, or the image's number. */
  readonly name: string;
  readonly content: Uint8Array | URL;
}

/** The images of a request. */
export interface ImageSources {
  readonly images: readonly ImageSource[];
  /** Whether the client sent a list, and so gets a list, even if it has one image. */
  readonly isList: boolean;
  /** `parameters` of a JSON body. */
  readonly parameters: Readonly<Record<string, unknown>>;
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
export async function findImages(
  body: Uint8Array,
  contentType: string | null,
  maxImages: number,
): Promise<ImageSources> {
  if (body.length === 0) {
    throw new HttpProblem("bad-request", "Expected an image file in the body, found no bytes");
  }
  const type = contentType?.split(";")[0].trim().toLowerCase() ?? "";
  const listed = READERS.find(([pattern]) => pattern.test(type))?.[1];
  const reader = listed === "sniff" ? (body[0] === OPENING_BRACE ? "json" : "raw") : listed;
  if (reader === undefined) {
    throw new HttpProblem(
      "unsupported-type",
      `Expected an image, multipart/form-data or application/json, found ${type}`,
    );
  }
  if (reader === "raw") {
    return { images: [{ name: "0", content: body }], isList: false, parameters: {} };
  }
  const sources = reader === "json" ? fromJson(body) : await fromForm(body, contentType!);
  if (sources.images.length > maxImages) {
    throw new HttpProblem(
      "too-many-images",
      `Expected at most ${maxImages} images in a request, found ${sources.images.length}`,
    );
  }
  return sources;
}

async function fromForm(body: Uint8Array, contentType: string): Promise<ImageSources> {
  let form: FormData;
  checkFormEnd(body, contentType);
  try {
    form = await new Response(body as Uint8Array<ArrayBuffer>, {
      headers: { "content-type": contentType },
    }).formData();
  } catch (error) {
    throw new HttpProblem(
      "bad-request",
      `The multipart form is malformed: ${(error as Error).message}`,
      { cause: error },
    );
  }
  const files = [...form.values()].filter((value) => value instanceof File);
  if (files.length === 0) {
    throw new HttpProblem("bad-request", "Expected files in the multipart form, found none");
  }
  const images = files.map(async (file) => ({ name: file.name, content: await file.bytes() }));
  return { images: await Promise.all(images), isList: true, parameters: {} };
}

/** Deno gives the parts before the one that is cut off, as if that were all. */
function checkFormEnd(body: Uint8Array, contentType: string): void {
  const [, quoted, plain] = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? [];
  const end = `--${quoted ?? plain}--`;
  const tail = new TextDecoder("latin1").decode(body.subarray(-end.length - 1024));
  if (tail.includes(end)) return;
  throw new HttpProblem(
    "bad-request",
    `The multipart form is malformed: expected it to end with its boundary, ${end}`,
  );
}

/**
 * Parses JSON.
 *
 * @throws {HttpProblem} `bad-request` if it is none, or no object
 */
export function parseJson(body: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    throw new HttpProblem("bad-request", `The JSON is malformed: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new HttpProblem("bad-request", `Expected a JSON object, found ${JSON.stringify(value)}`);
  }
  return value as Record<string, unknown>;
}

function fromJson(body: Uint8Array): ImageSources {
  const { url, inputs, parameters = {} } = parseJson(body);
  if ((url === undefined) === (inputs === undefined)) {
    throw new HttpProblem(
      "bad-request",
      'Expected {"inputs": base64} or {"url": address}, each of them a text or a list of texts',
    );
  }
  if (typeof parameters !== "object" || parameters === null) {
    throw new HttpProblem("bad-request", "Expected parameters to be an object");
  }
  const given = url ?? inputs;
  const texts = Array.isArray(given) ? given : [given];
  const images = texts.map((text, i): ImageSource => {
    if (typeof text !== "string") {
      throw new HttpProblem("bad-request", `Expected image ${i} as a text, found ${typeof text}`);
    }
    return url === undefined
      ? { name: String(i), content: fromBase64(text) }
      : { name: text, content: parseUrl(text) };
  });
  return {
    images,
    isList: Array.isArray(given),
    parameters: parameters as Record<string, unknown>,
  };
}

/**
 * Decodes base64, with or without a `data:` URL's start.
 *
 * @throws {HttpProblem} `bad-request` if it is none
 */
export function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text.replace(/^data:[^,]*,/, ""));
  } catch (error) {
    throw new HttpProblem("bad-request", `Expected base64: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null) throw new HttpProblem("bad-url", `Expected a URL, found "${text}"`);
  return url;
}
