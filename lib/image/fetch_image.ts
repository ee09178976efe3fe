/** Images at the URLs of strangers. */

import { checkOptions, FETCH_IMAGE_OPTIONS } from "../options.ts";
import type { FetchImageOptions } from "./remote/guarded_fetch.ts";

export type { Address, FetchImageOptions } from "./remote/guarded_fetch.ts";

/**
 * Fetches an image's file by a stranger's URL, without reaching what only this machine can reach: every
 * address of the name is checked, and what was checked is what is connected to, also after each of up to
 * three redirects. The file goes to `classify` or `readImage()`.
 *
 * Only the beginning of an answer has a limit of time, `answerMs`: a `signal` ends one that dawdles.
 * Runs where there is `node:http`, so in no browser.
 *
 * @example
 * ```ts
 * import { fetchImage } from "@edge/vgg16/image";
 * import { isVggError } from "@edge/vgg16";
 *
 * try {
 *   await fetchImage("http://169.254.169.254/latest/meta-data", { maxBytes: 5_000_000 });
 * } catch (error) {
 *   if (!isVggError(error, "image-fetch")) throw error;
 *   console.log(error.message.includes("no public server answers there")); // true
 * }
 * ```
 *
 * @throws {ImageDecodeError} `image-fetch` if the URL is none of http or https, has a user name, or no
 *   public server answers there with success, for which the reason is its `cause`, as the message may be
 *   shown to strangers; `image-bytes` if the file is longer than `maxBytes`.
 * @throws {RangeError} If an option is unknown, or not one of its values.
 * @throws {TypeError} If the text is no URL.
 */
export async function fetchImage(
  url: string | URL,
  options: FetchImageOptions = {},
): Promise<Uint8Array> {
  checkOptions(FETCH_IMAGE_OPTIONS, options);
  // Of `node:http`, which is most of what the import would cost, and which browsers lack.
  const { guardedFetch } = await import("./remote/guarded_fetch.ts");
  return await guardedFetch(new URL(url), options);
}
