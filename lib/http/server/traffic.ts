/**
 * What is under way.
 *
 * @module
 */

/** Counts requests that are being answered, and bodies that are still arriving. */
export class Traffic {
  #active = 0;
  #arriving = 0;
  #waiting: (() => void)[] = [];

  /** Requests whose answers have not left. */
  get active(): number {
    return this.#active;
  }

  /** Counts a request until `ended` is called, and its body until `arrived` is. */
  begin(): { arrived: () => void; ended: () => void } {
    this.#active++;
    this.#arriving++;
    const arrived = once(() => {
      if (--this.#arriving > 0) return;
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
    const ended = once(() => this.#active--);
    return { arrived, ended };
  }

  /**
   * Resolves at a moment at which no body is arriving, and none has begun to since the event loop's
   * last turn: requests that came while JavaScript was busy have been seen.
   */
  async quiet(): Promise<void> {
    do {
      if (this.#arriving > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      await new Promise((resolve) => setTimeout(resolve, 0));
    } while (this.#arriving > 0);
  }
}

function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}
