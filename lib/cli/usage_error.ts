/** In a file of its own, so that `cli.ts` starts without what parses. */

/** A command line that cannot be carried out. Its message is for the person who typed it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
