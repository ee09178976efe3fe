/** The help of the service. */

import type { Table } from "../options.ts";
import { helpOf } from "./command_help.ts";
import { programName } from "./program_name.ts";

/** What it needs in general: its settings are variables, too. */
const PERMISSIONS = "--allow-env --allow-read --allow-net";

/** What its options are for, by their names. */
const GROUPS = {
  "Where it listens": ["port", "host", "basePath", "hosts", "keys", "corsOrigins"],
  "What it takes": [
    ...["maxBodyBytes", "maxArrivingBytes", "maxHeaderBytes", "maxPixels", "formats"],
    ...["maxImages", "maxViewPixels", "maxDecodePixels"],
    ...["urlInput", "maxUrlBytes", "urlPorts"],
  ],
  "How it works": [
    ...["maxQueue", "maxBatch", "maxQueueDelayMs", "bodyTimeoutMs", "timeoutMs"],
    ...["cacheEntries", "cacheBytes", "drainDelayMs", "drainTimeoutMs"],
  ],
  "What it says": ["logLevel", "logFormat"],
} as const;

/** Line by line. */
export function serviceHelp(options: Table): string[] {
  const called = programName(PERMISSIONS, "serve.ts");
  const service = {
    usage: "[OPTIONS]",
    examples: [{ line: `${called} --port 8000` }],
    options,
    groups: GROUPS,
    notes: "Each option is also a variable of the environment: VGG16_MAX_BODY_BYTES for " +
      "--max-body-bytes, and so on. An option wins.",
  };
  return helpOf(service, called, "serves a classifier");
}
