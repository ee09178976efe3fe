/** Which permissions a program has. Nothing here asks for one. */

import { CACHE_VARIABLES } from "../../io/cache.ts";
import { CATALOG } from "../../model/catalog.ts";
import { isGranted, isGrantedAll, type Permission } from "../../platform.ts";
import { VARIABLES } from "../environment.ts";

/** How much of a kind of permission a program has. */
export interface Held {
  /** `some`: not all, but what this program would use. */
  readonly state: "all" | "some" | "none";
  /** What it is, where it is some of what this program would use. */
  readonly of: readonly string[];
}

/** What this program would use besides, by the kind. */
export interface Uses {
  /** Files and folders. */
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** The permissions that this program can use. */
export function permissionsHeld({ read, write }: Uses): Readonly<Record<string, Held>> {
  const hosts = CATALOG.flatMap(({ url }) => url === undefined ? [] : new URL(url).host);
  const env = [...VARIABLES, ...CACHE_VARIABLES];
  return {
    read: held("read", read, (path) => ({ name: "read", path })),
    write: held("write", write, (path) => ({ name: "write", path })),
    net: held("net", hosts, (host) => ({ name: "net", host })),
    env: held("env", env, (variable) => ({ name: "env", variable })),
    sys: held("sys", ["osRelease"], () => ({ name: "sys", kind: "osRelease" })),
  };
}

function held(
  name: Permission["name"],
  used: readonly string[],
  permissionFor: (what: string) => Permission,
): Held {
  if (isGrantedAll(name)) return { state: "all", of: [] };
  const of = [...new Set(used)].filter((what) => isGranted(permissionFor(what)));
  return { state: of.length > 0 || isGranted({ name }) ? "some" : "none", of };
}
