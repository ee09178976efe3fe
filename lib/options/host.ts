/** Hosts and origins, as requests' headers and settings have them. */

/** A host: what stands in a URL after `//`. */
export interface Host {
  /** In lower case, an IPv6 address in brackets, without a dot at its end. */
  readonly name: string;
  /** Undefined where none stands. */
  readonly port: number | undefined;
}

/** A name or an address, and a port; no user, no path, no zone. */
const HOST = /^(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{0,5}))?$/i;

/** Parses `name`, `name:port` or `[address]:port`; undefined if it is none of these. */
export function parseHost(text: string): Host | undefined {
  const [, , port = ""] = HOST.exec(text) ?? [];
  const url = HOST.test(text) ? URL.parse(`http://${text}`) : null;
  if (url === null) return undefined;
  return { name: bareName(url), port: port === "" ? undefined : Number(port) };
}

/** `localhost.` is `localhost`. */
function bareName({ hostname }: URL): string {
  return hostname.replace(/\.$/, "");
}

/** What can only be this machine, as `parseHost` writes it; the last is 127.0.0.0/8 within IPv6. */
const LOOPBACK = [
  /^localhost$/,
  /^127\.\d+\.\d+\.\d+$/,
  /^\[::1\]$/,
  /^\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\]$/,
];

/** Whether a host is `localhost` or a loopback address. */
export function isLoopback({ name }: Host): boolean {
  return LOOPBACK.some((pattern) => pattern.test(name));
}

/** Whether a host is an address, which no resolver can lead elsewhere. */
export function isAddress({ name }: Host): boolean {
  return /^\[|^[\d.]+$/.test(name);
}

const ORIGIN = /^https?:\/\/[^/?#@\\\s]+$/i;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

/**
 * Whether a page of an origin comes from a host. The schemes are not compared, as TLS may end before the
 * host; so an origin without a port has its scheme's, and a host without one either of both.
 */
export function isOriginOf(origin: string, host: Host): boolean {
  const url = ORIGIN.test(origin) ? URL.parse(origin) : null;
  if (url === null || bareName(url) !== host.name) return false;
  if (host.port === undefined) return url.port === "";
  return host.port === (url.port === "" ? DEFAULT_PORTS[url.protocol] : Number(url.port));
}

/** Whether a text is an origin as browsers write it, or `*`. */
export function isOrigin(text: string): boolean {
  // Extensions' origins have schemes of their own, of which URL makes none.
  const isExtension = /^[a-z-]+-extension:\/\/[\w-]+$/.test(text);
  return text === "*" || isExtension || ORIGIN.test(text) && URL.parse(text)?.origin === text;
}
