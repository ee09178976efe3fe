/** Which of many images an error is about. */

import { isVggError } from "../errors.ts";
import { publicText, publicUrl } from "../public_url.ts";
import { shortened } from "../options.ts";
import { asUrl, beginsAsUrl } from "../urls.ts";

/** Which of many images something is about. */
export interface ImagePlace {
  /** Its position among those that were given, from 0 on. */
  readonly index: number;
  /**
   * What it is called: the name that was given with it, its path, its URL without secrets, or the name of
   * a `File`. Bytes and pixels have none.
   */
  readonly name: string | undefined;
}

/**
 * The error of one of many images: of the same class, with the same code, as that of an image alone, and
 * with its place, which the message begins with: `image 3 (boats.jpg): …`.
 */
export interface ImageError extends Error {
  /** The image's position among those that were given, from 0 on. */
  readonly index: number;
  /** What the image is called, where it has a name. */
  readonly image: string | undefined;
  /** That of the error as it was thrown, where it has one. */
  readonly code?: string | undefined;
  /** The error as it was thrown. */
  readonly cause: unknown;
}

/** What becomes of the error of one of many images. */
export interface ManyOptions<OnError extends "throw" | "return" = "throw" | "return"> {
  /**
   * `"throw"`: the first image that fails ends the call, with an {@linkcode ImageError}. `"return"`: that
   * error stands in the place of the image's result, and nothing else is lost; what is no image's fault is
   * thrown nevertheless, such as an abort, a closed classifier or a lost device. Default: `"throw"`.
   */
  readonly onError?: OnError | undefined;
}

/** What may stand in the place of a result. */
export type ErrorsOf<OnError> = "return" extends OnError ? ImageError : never;

/** What an image is called that has no name of its own. */
export function nameOf(image: unknown): string | undefined {
  if (image instanceof URL) return publicUrl(image);
  if (image instanceof Response) return publicUrl(image.url) || undefined;
  if (image instanceof File) return image.name || undefined;
  if (typeof image !== "string") return undefined;
  return isUrl(image) ? publicUrl(image) : publicText(image);
}

function isUrl(text: string): boolean {
  try {
    return beginsAsUrl(text) || asUrl(text) !== undefined;
  } catch {
    return true; // It begins as one, and may hold the secrets of one.
  }
}

/**
 * Whether an error that came as an image was read or computed is about that image: the others may do well.
 * A classifier that was closed or lost can do nothing with any.
 */
export function isOfImage(error: unknown): boolean {
  if (!isVggError(error)) return true;
  // Where a thread that decodes has died, the next image has another.
  const isDecoding = "backend" in error && error.backend === "decoding";
  return isDecoding || !["disposed", "backend-lost", "backend-missing"].includes(error.code);
}

/** Those that {@linkcode imageError} has made. */
const placed = new WeakSet<object>();

/** An error as it was thrown, where the list that its image has a place in is not the caller's. */
export function withoutPlace(error: unknown): unknown {
  return error instanceof Error && placed.has(error) ? error.cause : error;
}

/**
 * An error with its image's place. It is a copy: whoever threw the error may throw it again, for another
 * image.
 */
export function imageError(error: unknown, { index, name }: ImagePlace): ImageError {
  const which = name === undefined ? "" : ` (${shortened(name)})`;
  const said = publicText(error instanceof Error ? error.message : String(error));
  const property = { enumerable: true, configurable: true, writable: true };
  const copy = copyOf(error, `image ${index}${which}: ${said}`, {
    index: { ...property, value: index },
    image: { ...property, value: name },
    cause: { ...property, enumerable: false, value: error },
  });
  placed.add(copy);
  return copy as ImageError; // It has just become one.
}

/** An error of the same class, with the same properties, but for the message and those that are given. */
function copyOf(error: unknown, message: string, given: PropertyDescriptorMap): Error {
  // Its message, name and code are no properties of its own.
  if (error instanceof DOMException) {
    return Object.defineProperties(new DOMException(message, error.name), given);
  }
  const copy = new Error(message);
  if (!(error instanceof Error)) return Object.defineProperties(copy, given);
  const { message: _, stack: __, ...own } = Object.getOwnPropertyDescriptors(error);
  Object.setPrototypeOf(copy, Object.getPrototypeOf(error));
  return Object.defineProperties(copy, { ...own, ...given });
}
