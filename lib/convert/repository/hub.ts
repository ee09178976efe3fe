/**
 * Repositories of a Hugging Face host, by their names: `hf:OWNER/NAME`, `hf:OWNER/NAME@REVISION`.
 *
 * @see {@link https://huggingface.co/docs/hub/api}
 */

import { BASE_URL, HUB_ENDPOINT, HUB_TOKEN, readPermitted } from "../../environment.ts";
import { WeightsDownloadError, WeightsIntegrityError } from "../../errors.ts";
import type { ByteSource, SourceOptions } from "../../io/byte_source.ts";
import { hashSource } from "../../io/hash.ts";
import { isPlainHttp } from "../../io/http_source.ts";
import { publicUrl } from "../../public_url.ts";
import type { Fetch } from "../../urls.ts";
import { fetchWhole } from "./fetch_whole.ts";
import type { ModelFiles } from "./open.ts";

const HOST = "https://huggingface.co";
/** Hops from a file's name to its bytes. */
const MAX_HOPS = 5;

/** The name of a repository. */
export interface RepositoryName {
  readonly owner: string;
  readonly name: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

/**
 * The repository that a text names; `undefined` for all other texts.
 *
 * @throws {TypeError} If it begins as one, but is none.
 */
export function asRepository(text: string): RepositoryName | undefined {
  if (!text.startsWith("hf:")) return undefined;
  const [, owner, name, revision = "main"] =
    /^hf:([\w.-]+)\/([\w.-]+)(?:@([\w.-]+(?:\/[\w.-]+)*))?$/.exec(text) ?? [];
  const isName = [owner, name, ...revision.split("/")].every((part) => !/^\.*$/.test(part ?? ""));
  if (isName) return { owner: owner!, name: name!, revision };
  throw new TypeError(`Expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION: found "${text}"`);
}

/** Options of reading a repository. */
export interface HubOptions extends SourceOptions {
  /** Replaces scheme and host. Default: `VGG16_BASE_URL`, `HF_ENDPOINT`, or Hugging Face's own. */
  readonly baseUrl?: string | undefined;
}

/** The files of a repository, all of one commit. */
export class HubFiles implements ModelFiles {
  readonly name: string;
  readonly id: string;
  readonly problem: string;
  readonly revision: string;
  readonly #base: string;
  /** The commit that the revision is. */
  commit: string | undefined;

  /** @throws {RangeError} If the host is not named by a URL. */
  constructor({ owner, name, revision }: RepositoryName, readonly options: HubOptions) {
    this.id = name;
    this.revision = revision;
    this.name = `hf:${owner}/${name}`;
    this.problem = `Cannot convert ${this.name}: at ${revision} it has none of`;
    const endpoint = options.baseUrl || readPermitted(BASE_URL) || readPermitted(HUB_ENDPOINT) ||
      HOST;
    const url = URL.parse(endpoint);
    // Whoever is on the way would see the token, and could change what no hash is known of.
    if (url === null || !/^https?:$/.test(url.protocol) || isPlainHttp(url)) {
      throw new RangeError(
        `Expected an https URL of a Hugging Face host: found "${publicUrl(endpoint)}"`,
      );
    }
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/${owner}/${name}/resolve/${
      encodeURIComponent(revision)
    }/`;
    this.#base = url.href;
  }

  async open(file: string): Promise<ByteSource | undefined> {
    const url = new URL(this.#base);
    url.pathname += file.split("/").map(encodeURIComponent).join("/");
    const told: Told = {};
    const fetch = followed(this.options.fetch ?? globalThis.fetch, url.origin, told);
    try {
      const bytes = await fetchWhole(url, { ...this.options, fetch, isSecure: true });
      try {
        this.#checkCommit(told, file);
        await verify(bytes, told, this.options.signal);
        return bytes;
      } catch (error) {
        bytes.close();
        throw error;
      }
    } catch (error) {
      if (!(error instanceof WeightsDownloadError) || error.status === undefined) throw error;
      const { status } = error;
      if (status === 404 && !/^(Repo|Revision)NotFound$/.test(told.problem ?? "")) return undefined;
      if (![401, 403, 404].includes(status)) throw error;
      throw new WeightsDownloadError(
        `Cannot read ${this.name}: there is no such repository or revision, or it needs a token, in ${HUB_TOKEN}`,
        { url: this.name, status, retryable: false, cause: error },
      );
    }
  }

  #checkCommit({ commit }: Told, file: string): void {
    this.commit ??= commit;
    if (commit === undefined || commit === this.commit) return;
    throw new WeightsDownloadError(
      `${this.name} changed while it was read: ${file} is of another commit. Start again`,
      { url: this.name, retryable: true },
    );
  }
}

/** What the headers of answers tell. */
interface Told {
  commit?: string | undefined;
  /** Of a file that Git LFS keeps. */
  sha256?: string | undefined;
  /** `EntryNotFound`, `RepoNotFound`, … */
  problem?: string | undefined;
}

/**
 * Asks the host with its token, and listens to what it says before it sends on to another one, which gets no
 * token.
 */
function followed(ask: Fetch, origin: string, told: Told): Fetch {
  const token = readPermitted(HUB_TOKEN);
  return async (request) => {
    const headers = new Headers(request.headers);
    if (token) headers.set("authorization", `Bearer ${token}`);
    let url = new URL(request.url);
    for (let hop = 0; hop < MAX_HOPS; hop++) {
      const { signal } = request;
      const response = await ask(new Request(url, { headers, signal, redirect: "manual" }));
      listen(response.headers, told);
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null) return response;
      await response.body?.cancel();
      const next = new URL(location, url);
      // Who follows a redirect to another host leaves the token out by itself.
      if (next.origin !== origin) return await ask(new Request(url, { headers, signal }));
      url = next;
    }
    throw new TypeError(`${publicUrl(request.url)} leads on and on`);
  };
}

function listen(headers: Headers, told: Told): void {
  told.commit ??= headers.get("x-repo-commit") ?? undefined;
  told.sha256 ??= /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(headers.get("x-linked-etag") ?? "")?.[1];
  told.problem = headers.get("x-error-code") ?? undefined;
}

async function verify(
  bytes: ByteSource,
  { sha256: expected }: Told,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (expected === undefined) return;
  const { sha256: actual } = await hashSource(bytes, ["sha256"], signal);
  if (actual === expected) return;
  throw new WeightsIntegrityError(
    `${bytes.name} is not the file that is meant: expected SHA-256 ${expected}, found ${actual}. Nothing was kept`,
    { expected, actual },
  );
}
