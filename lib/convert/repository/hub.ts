/**
 * Repositories of a Hugging Face host, by their names: `hf:OWNER/NAME`, `hf:OWNER/NAME@REVISION`.
 *
 * @see {@link https://huggingface.co/docs/hub/api}
 */

import { BASE_URL, HUB_ENDPOINT, HUB_TOKEN, readPermitted } from "../../environment.ts";
import { WeightsDownloadError, WeightsIntegrityError } from "../../errors.ts";
import { type ByteSource, FileSource, type SourceOptions } from "../../io/byte_source.ts";
import { download, removeDownload } from "../../io/download.ts";
import { hashSource } from "../../io/hash.ts";
import { isPlainHttp } from "../../io/http_source.ts";
import { ProgressTeller } from "../../progress.ts";
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

/** What the model of a repository is called in the cache. */
export function cachedIdOf({ owner, name, revision }: RepositoryName): string {
  // No revision has a plus sign, and many have hyphens.
  return `hf--${owner}--${name}--${revision.replaceAll("/", "+")}`;
}

/** Options of reading a repository. */
export interface HubOptions extends SourceOptions {
  /** Replaces scheme and host. Default: `VGG16_BASE_URL`, `HF_ENDPOINT`, or Hugging Face's own. */
  readonly baseUrl?: string | undefined;
  /**
   * What the paths of weights that are downloaded begin with, so that another process takes them up. Default:
   * temporary files.
   */
  readonly keepAs?: string | undefined;
}

/** The files of a repository, all of one commit. */
export class HubFiles implements ModelFiles {
  readonly name: string;
  readonly id: string;
  readonly problem: string;
  readonly revision: string;
  readonly #base: string;
  readonly #kept = new Set<string>();
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
    const isKept = this.options.keepAs !== undefined && !file.endsWith(".json");
    try {
      const bytes = isKept
        ? await this.#download(url, file, fetch, told)
        : await this.#fetch(url, fetch, told);
      try {
        this.#checkCommit(told, file);
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

  /** Removes what it has kept of downloads. */
  async forget(): Promise<void> {
    for (const path of this.#kept) await removeDownload(path);
  }

  async #fetch(url: URL, fetch: Fetch, told: Told): Promise<ByteSource> {
    const bytes = await fetchWhole(url, { ...this.options, fetch, isSecure: true });
    try {
      if (told.sha256 !== undefined) {
        const { sha256 } = await hashSource(bytes, ["sha256"], this.options.signal);
        expectHash(bytes.name, told.sha256, sha256);
      }
      return bytes;
    } catch (error) {
      bytes.close();
      throw error;
    }
  }

  async #download(url: URL, file: string, fetch: Fetch, told: Told): Promise<ByteSource> {
    const path = `${this.options.keepAs}.${file}.part`, name = publicUrl(url);
    const progress = new ProgressTeller(this.options, { stage: "pull", unit: "bytes", file: name });
    const { signal } = this.options;
    const sha256 = await download(url, path, { isSecure: true }, { fetch, signal, progress });
    try {
      if (told.sha256 !== undefined) expectHash(name, told.sha256, sha256);
    } catch (error) {
      await removeDownload(path);
      throw error;
    }
    this.#kept.add(path);
    return new FileSource(path, name);
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

function expectHash(name: string, expected: string, actual: string): void {
  if (actual === expected) return;
  throw new WeightsIntegrityError(
    `${name} is not the file that is meant: expected SHA-256 ${expected}, found ${actual}. Nothing was kept`,
    { expected, actual },
  );
}
