/** Images at the URLs of strangers. */

import { ImageDecodeError } from "../errors.ts";
import { checkOptions, FETCH_IMAGE_OPTIONS, shortened } from "../options.ts";
import { publicUrl } from "../public_url.ts";
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
 * @throws {ImageDecodeError} `image-fetch` if the text is no URL, or one of neither http nor https, has a user name, or no
 *   public server answers there with success, for which the reason is its `cause`, as the message may be
 *   shown to strangers; `image-bytes` if the file is longer than `maxBytes`.
 * @throws {RangeError} If an option is unknown, or not one of its values.
 */
export async function fetchImage(
  url: string | URL,
  options: FetchImageOptions = {},
): Promise<Uint8Array> {
  checkOptions(FETCH_IMAGE_OPTIONS, options);
  // Of `node:http`, which is most of what the import would cost, and which browsers lack.
  const { guardedFetch } = await import("./remote/guarded_fetch.ts");
  return await guardedFetch(webUrl(url), options);
}

function webUrl(given: string | URL): URL {
  const url = URL.parse(given);
  if (url !== null) return url;
  const found = JSON.stringify(shortened(publicUrl(String(given))));
  throw new ImageDecodeError(`Expected an http or https URL: found ${found}`, {
    code: "image-fetch",
    retryable: false,
  });
}
