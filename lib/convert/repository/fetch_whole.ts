/** Files from the network, which come whole before they are read. */

import type { ByteSource, SourceOptions } from "../../io/byte_source.ts";
import { type HttpOptions, HttpSource, VersionChangedError } from "../../io/http_source.ts";
import { spool } from "../../io/spool.ts";
import { ProgressTeller } from "../../progress.ts";

/** How often a file is begun that changes as it is read, or may do so. */
const ATTEMPTS = 3;

/** Downloads a file to a temporary one, which is gone when it is closed. */
export async function fetchWhole(
  url: URL | Request,
  options: FetchWholeOptions,
): Promise<ByteSource> {
  for (let attempt = 1;; attempt++) {
    try {
      return await fetchOnce(url, options);
    } catch (error) {
      if (!(error instanceof VersionChangedError) || attempt === ATTEMPTS) throw error;
    }
  }
}

type FetchWholeOptions = SourceOptions & Pick<HttpOptions, "isSecure">;

async function fetchOnce(url: URL | Request, options: FetchWholeOptions): Promise<ByteSource> {
  const source = await HttpSource.open(url, { ...options, oneVersion: true });
  const about = { stage: "pull", unit: "bytes", file: source.name } as const;
  const progress = new ProgressTeller(options, about);
  try {
    const spooled = await spool(source.stream(0), source.name, (size) => {
      progress.reach(size, source.size);
    });
    progress.end();
    return spooled;
  } finally {
    source.close();
  }
}
