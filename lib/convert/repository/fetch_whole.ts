/** Files from the network, which come whole before they are read. */

import type { ByteSource, SourceOptions } from "../../io/byte_source.ts";
import { type HttpOptions, HttpSource } from "../../io/http_source.ts";
import { spool } from "../../io/spool.ts";
import { ProgressTeller } from "../../progress.ts";

/** Downloads a file to a temporary one, which is gone when it is closed. */
export async function fetchWhole(
  url: URL | Request,
  options: SourceOptions & Pick<HttpOptions, "isSecure">,
): Promise<ByteSource> {
  const source = await HttpSource.open(url, options);
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
