/**
 * What of a URL may be shown, logged and written down. People put passwords, tokens and signatures into
 * URLs; whoever names one to anybody names its public form.
 */

/**
 * A URL without user name, password, query and fragment. The path, which names the file, stays. Of a
 * `data:` URL only the media type is left, as the rest is the file.
 */
export function publicUrl(url: string | URL): string {
  const parsed = URL.parse(String(url));
  // Who mistyped a URL has its secrets in it all the same, and a password may hold anything.
  if (parsed === null) return withoutUser(String(url)).replace(/[?#].*/s, "");
  if (parsed.protocol === "data:") return `${parsed.href.replace(/[;,].*/s, "")},…`;
  return Object.assign(parsed, { username: "", password: "", search: "", hash: "" }).href;
}

/** By places: a pattern for them takes time that grows with the square of a text's length. */
function withoutUser(text: string): string {
  const start = text.indexOf("//"), end = text.lastIndexOf("@");
  return start === -1 || end < start ? text : text.slice(0, start + 2) + text.slice(end + 1);
}

/** Names for URLs that tell them apart, also where what differs is not shown: the next one is `URL (2)`. */
export class PublicNames {
  readonly #given = new Map<string, number>();

  /** The name of the next URL. The same URLs in the same order get the same names. */
  name(url: string): string {
    const shown = publicUrl(url), count = (this.#given.get(shown) ?? 0) + 1;
    this.#given.set(shown, count);
    return count === 1 ? shown : `${shown} (${count})`;
  }
}

/** A text with each URL in it in its public form. */
export function publicText(text: string): string {
  // What ends a URL here is encoded inside of one. A scheme is looked for only where one can begin, so that
  // a long text is gone through once.
  return text.replace(/(?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/[^\s"<>`]+/gi, publicUrl);
}

/**
 * Why `fetch` or reading its answer failed, in words. The runtime says it in the error's cause, which names
 * the URL, and that of a redirect.
 */
export function fetchFailure(error: Error): string {
  const { message } = error.cause instanceof Error ? error.cause : error;
  return publicText(message.replace(/^error sending request for url \(\S*\): /, ""));
}
