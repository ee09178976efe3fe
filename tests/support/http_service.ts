/**
 * What the tests of the service share.
 *
 * @module
 */

import "../../lib/entries/whole.ts";
import {
  type Classifier,
  type ClassifierInfo,
  type ImageClassifier,
  loadClassifier,
} from "../../lib/classifier.ts";
import type { ServiceOptions } from "../../lib/http/service.ts";
import { HttpService } from "../../lib/http/server/http_service.ts";
import { classifierFrom } from "../../lib/compose/classifier_from.ts";
import { classesOf } from "../../lib/model/classes.ts";
import { CIFAR10 } from "./cifar10.ts";

/** The photos of the tests. */
export const CAT: Uint8Array<ArrayBuffer> = await Deno.readFile(
  new URL("../data/photos/cat.png", import.meta.url),
);
export const BOATS: Uint8Array<ArrayBuffer> = await Deno.readFile(
  new URL("../data/photos/boats.jpg", import.meta.url),
);

let shared: Promise<Classifier> | undefined;

/** CIFAR-10's model, loaded once for all tests of a file. */
export function cifar10Classifier(): Promise<Classifier> {
  return shared ??= loadClassifier({ model: CIFAR10, backend: "wasm", threads: 1 });
}

/** A service on CIFAR-10's model, silent. */
export function testService(options: ServiceOptions = {}): HttpService {
  return new HttpService({ logLevel: "off", classifier: cifar10Classifier(), ...options });
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
): ImageClassifier {
  const info = {
    model: "stand-in",
    classes: classesOf({ labels: ["yes", "no"] }),
    architecture: { input: { height: 32, width: 32, channels: 3 } },
  } as unknown as ClassifierInfo;
  const score = async (images: readonly number[], options?: { signal?: AbortSignal }) => {
    const values = await scores(images, options?.signal);
    return values.map((value) => Float64Array.of(value, 1 - value));
  };
  const none = (): Promise<never> => Promise.reject(new Error("The stand-in has no layers"));
  return Object.assign(classifierFrom({ labels: ["yes", "no"], scores: () => [] }), {
    info,
    // The service gives it what it has prepared.
    scores: score as unknown as ImageClassifier["scores"],
    prepare: ([score]: Uint8Array) => Promise.resolve(score),
    embed: none,
    explain: none,
  } as unknown as ImageClassifier);
}
