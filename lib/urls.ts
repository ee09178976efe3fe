/** Which texts are URLs. All others are paths, whatever their folders are called: `http:/x`, `c:\x`. */

import { publicUrl } from "./public_url.ts";

/**
 * Asks a server, as the global `fetch` does. It may add to the request's headers, which say what part of a
 * file is wanted: `(request) => { request.headers.set("authorization", key); return fetch(request); }`.
 */
export type Fetch = (request: Request) => Promise<Response>;

const WEB = /^https?:\/\//i;
/** `data:` has a comma before its data. */
const ANY = /^(https?:\/\/|file:\/\/|data:[^,]*,)/i;

/** Whether a text is the URL of something on the network. */
export function isWebUrl(text: string): boolean {
  return WEB.test(text);
}

/**
 * The URL that a text is: `http`, `https`, `file` or `data`; `undefined` for a path.
 *
 * @throws {TypeError} If it begins as one, but is none.
 */
export function asUrl(text: string | URL): URL | undefined {
  if (text instanceof URL) return text;
  if (!ANY.test(text)) return undefined;
  const url = URL.parse(text);
  if (url !== null) return url;
  throw new TypeError(`Expected a URL or a path: ${publicUrl(text)} begins as a URL, but is none`);
}

/** Whether a text begins as a URL of any scheme: it may hold the secrets of one, also where none is read. */
export function beginsAsUrl(text: string): boolean {
  return /^[a-z][a-z\d+.-]+:\/\//i.test(text);
}

/** A path that {@linkcode asUrl} takes for none, whatever the file is called. */
export function asPath(path: string): string {
  return ANY.test(path) ? `./${path}` : path;
}
