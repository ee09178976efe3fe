/** The variables of the environment that the library reads by itself. The service has more. */

import { environmentVariable, isGranted } from "./platform.ts";

/** Where downloaded models are kept. */
export const CACHE_DIR = "VGG16_CACHE_DIR";
/** A mirror that replaces scheme and host of the catalog's URLs. */
export const BASE_URL = "VGG16_BASE_URL";

/** What they were called. These names have no effect. */
const OLD_NAMES = { [CACHE_DIR]: "VGG_CACHE_DIR", [BASE_URL]: "VGG_MODEL_BASE_URL" } as const;
const reported = new Set<string>();

/**
 * Reads one, if the program may, without asking. An old name that is set is reported, once a process, with
 * the new one.
 */
export function readVariable(name: keyof typeof OLD_NAMES): string | undefined {
  const old = OLD_NAMES[name];
  if (!reported.has(old) && readPermitted(old)) {
    reported.add(old);
    console.warn(`${old} has no effect: it is called ${name} now`);
  }
  return readPermitted(name);
}

/** Variables of others: Hugging Face's host, and a token for it. */
export const HUB_ENDPOINT = "HF_ENDPOINT", HUB_TOKEN = "HF_TOKEN";

/** Reads a variable if the program may, without asking. */
export function readPermitted(name: string): string | undefined {
  return isGranted({ name: "env", variable: name }) ? environmentVariable(name) : undefined;
}
