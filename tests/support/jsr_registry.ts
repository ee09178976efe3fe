/**
 * A registry as JSR is one, on loopback: it takes what `deno publish` sends, and serves it to whoever runs with
 * `JSR_URL`. What it leaves out of JSR's `VERSION_meta.json` is the graph of the modules, by which Deno only
 * begins to download sooner.
 *
 * @module
 */

import { filesOfTar } from "./tar.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A version of a package. */
export interface PublishedVersion {
  readonly exports: Readonly<Record<string, string>>;
  /** Its files, by their paths in the package. */
  readonly files: ReadonlyMap<string, Bytes>;
}

/** The versions of a package, by their numbers. */
type Versions = Map<string, PublishedVersion>;

/** A registry, until it is closed. */
export interface JsrRegistry extends AsyncDisposable {
  /** What `JSR_URL` has to be. */
  readonly url: string;
  /** How often each path was asked for, but for those of the API. */
  readonly requests: ReadonlyMap<string, number>;
  /** What was published: `@edge/vgg16@0.1.0`. */
  version(name: string): PublishedVersion;
}

/** Starts a registry without any package, on a port of its own. */
export function jsrRegistry(): JsrRegistry {
  const packages = new Map<string, Versions>(), requests = new Map<string, number>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/api/")) return answerApi(packages, pathname, request);
    requests.set(pathname, (requests.get(pathname) ?? 0) + 1);
    return answerDownload(packages, pathname);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    requests,
    version(full): PublishedVersion {
      const [, name = "", version = ""] = /^(@.+)@(.+)$/.exec(full) ?? [];
      const published = packages.get(name)?.get(version);
      if (published === undefined) throw new Error(`${full} was not published`);
      return published;
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const notFound = (code: string): Response =>
  Response.json({ code, message: code }, { status: 404 });

/** A package is there before it is published: its owner made it on JSR's page. */
const PACKAGE = /^\/api\/scopes\/([^/]+)\/packages\/([^/]+)(?:\/versions\/([^/]+))?$/;

/** The tasks of publications, which all are done at once. */
const TASK = { id: "1", status: "success", error: null };

async function answerApi(
  packages: Map<string, Versions>,
  pathname: string,
  request: Request,
): Promise<Response> {
  if (pathname === `/api/publish_status/${TASK.id}`) return Response.json(TASK);
  const [, scope, name, version] = PACKAGE.exec(pathname) ?? [];
  if (scope === undefined) return notFound("notFound");
  const full = `@${scope}/${name}`, versions: Versions = packages.get(full) ?? new Map();
  if (version === undefined) return Response.json({ scope, name });
  if (request.method === "GET") {
    return versions.has(version) ? Response.json({ version }) : notFound("packageVersionNotFound");
  }
  versions.set(version, await received(request));
  packages.set(full, versions);
  return Response.json(TASK);
}

/** What a request publishes: a compressed archive in which `deno.json` says what is exported. */
async function received({ body }: Request): Promise<PublishedVersion> {
  const archive = body!.pipeThrough(new DecompressionStream("gzip"));
  const files = filesOfTar(new Uint8Array(await new Response(archive).arrayBuffer()));
  const { exports } = JSON.parse(new TextDecoder().decode(files.get("deno.json")));
  return { exports: typeof exports === "string" ? { ".": exports } : exports, files };
}

/** `/@scope/name/` and then `meta.json`, `VERSION_meta.json` or `VERSION/path`. */
async function answerDownload(
  packages: Map<string, Versions>,
  pathname: string,
): Promise<Response> {
  const [, name = "", rest = ""] = /^\/(@[^/]+\/[^/]+)\/(.+)$/.exec(pathname) ?? [];
  const versions = packages.get(name);
  if (versions === undefined) return notFound("packageNotFound");
  if (rest === "meta.json") {
    return Response.json({
      versions: Object.fromEntries([...versions.keys()].map((version) => [version, {}])),
    });
  }
  const [, ofMeta] = /^([^/]+)_meta\.json$/.exec(rest) ?? [];
  const meta = versions.get(ofMeta ?? "");
  if (meta !== undefined) {
    return Response.json({ manifest: await manifestOf(meta), exports: meta.exports });
  }
  const [version = ""] = rest.split("/", 1);
  const file = versions.get(version)?.files.get(rest.slice(version.length + 1));
  return file === undefined ? notFound("fileNotFound") : new Response(file, {
    headers: { "content-type": mediaType(rest), "cache-control": "public, max-age=31536000" },
  });
}

/** The size and the hash of each file, which Deno holds what it downloads to. */
async function manifestOf({ files }: PublishedVersion): Promise<Record<string, unknown>> {
  const entries = [...files].map(async ([path, bytes]) => {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    return [`/${path}`, { size: bytes.length, checksum: `sha256-${hash}` }];
  });
  return Object.fromEntries(await Promise.all(entries));
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  html: "text/html",
  js: "text/javascript",
  json: "application/json",
  ts: "text/typescript",
  wasm: "application/wasm",
};

function mediaType(path: string): string {
  const extension = path.slice(path.lastIndexOf(".") + 1);
  return MEDIA_TYPES[extension] ?? "application/octet-stream";
}
