/** In a file of its own, so that `cli.ts` starts without what parses. */

/** A command line that cannot be carried out. Its message is for the person who typed it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** The command line that was meant instead, where that is clear. */
  readonly meant: readonly string[] | undefined;

  constructor(message: string, options: ErrorOptions & { meant?: readonly string[] } = {}) {
    super(message, options);
    this.meant = options.meant;
  }
}

/** An option of Deno's that stands where the program's are. */
export class MisplacedOption extends UsageError {}
