/** What Deno has to be told that commands may do, in general. `docs/permissions.md` says it to the file. */

/** For what only shows something. */
export const READS = "--allow-read";
/** For what writes files: they are read as well. */
export const WRITES = "--allow-read --allow-write";
