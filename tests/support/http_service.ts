/**
 * What the tests of the service share.
 *
 * @module
 */

import { type Classifier, type ClassifierInfo, loadClassifier } from "../../lib/classifier.ts";
import type { PreparedImage } from "../../lib/input/prepared_image.ts";
import type { HandlerOptions } from "../../lib/http/handler.ts";
import { Service } from "../../lib/http/server/service.ts";
import { classesOf } from "../../lib/model/classes.ts";
import type { ServedClassifier } from "../../lib/http/queue/served_model.ts";

/** The photos of the tests. */
export const CAT: Uint8Array<ArrayBuffer> = await Deno.readFile(
  new URL("../data/photos/cat.png", import.meta.url),
);
export const BOATS: Uint8Array<ArrayBuffer> = await Deno.readFile(
  new URL("../data/photos/boats.jpg", import.meta.url),
);

let embedded: Promise<Classifier> | undefined;

/** The embedded model, loaded once for all tests of a file. */
export function embeddedClassifier(): Promise<Classifier> {
  return embedded ??= loadClassifier({ backend: "wasm", threads: 1 });
}

/** A service on the embedded model, silent. */
export function testService(options: HandlerOptions = {}): Service {
  return new Service({ logLevel: "off", classifier: embeddedClassifier(), ...options });
}

/** A POST request. */
export function post(path: string, body: BodyInit, headers: HeadersInit = {}): Request {
  return new Request(`http://host${path}`, { method: "POST", body, headers });
}

/** A GET request. */
export function get(path: string, headers: HeadersInit = {}): Request {
  return new Request(`http://host${path}`, { headers });
}

/** A POST of JSON. */
export function postJson(path: string, value: unknown): Request {
  return post(path, JSON.stringify(value), { "content-type": "application/json" });
}

/**
 * A stand-in whose network is a function of the test's. It decodes nothing: an image's first byte
 * is its score.
 */
export function standIn(
  scores: (images: readonly number[], signal?: AbortSignal) => Promise<number[]>,
): ServedClassifier {
  const info = {
    model: "stand-in",
    classes: classesOf({ labels: ["yes", "no"] }),
    architecture: { input: { height: 32, width: 32, channels: 3 } },
  } as unknown as ClassifierInfo;
  const prepare = (image: unknown): Promise<PreparedImage> =>
    Promise.resolve((image as Uint8Array)[0] as unknown as PreparedImage);
  return {
    info,
    usage: () => ({ bytesResident: 0, backend: "wasm" }),
    prepare,
    scores: async (images, options) => {
      const values = await scores(images as unknown as number[], options?.signal);
      return values.map((value) => Float64Array.of(value, 1 - value));
    },
    embed: (): Promise<never> => Promise.reject(new Error("The stand-in has no layers")),
    explain: (): Promise<never> => Promise.reject(new Error("The stand-in has no layers")),
  };
}
