/**
 * What is undone at the end of a block: ECMAScript's `DisposableStack`, as far as it is needed here. Deno below
 * 2.3, Node below 24 and Bun have none.
 */

/** What {@linkcode Cleanup} and {@linkcode AsyncCleanup} have in common: what to undo, and in which order. */
class Undos<Undo> {
  #undos: Undo[] = [];

  /** Has something undone at the end, before what was deferred earlier. */
  defer(undo: Undo): void {
    this.#undos.push(undo);
  }

  /** What there is to undo, in order; nothing is left. */
  protected takeAll(): Undo[] {
    return this.#undos.splice(0).reverse();
  }

  /** Has another undo all of it. */
  protected giveTo<To extends Undos<Undo>>(other: To): To {
    other.#undos = this.#undos.splice(0);
    return other;
  }
}

/** Undoes what it was given, the last first, whatever fails. */
export class Cleanup extends Undos<() => void> implements Disposable {
  /** Has a value disposed of at the end. */
  use<T extends Disposable>(value: T): T {
    this.defer(() => value[Symbol.dispose]());
    return value;
  }

  /** Has a value given to `undo` at the end. */
  adopt<T>(value: T, undo: (value: T) => void): T {
    this.defer(() => undo(value));
    return value;
  }

  /** Another that undoes all of it later; this one undoes nothing then. */
  move(): Cleanup {
    return this.giveTo(new Cleanup());
  }

  /**
   * Undoes it now, once.
   *
   * @throws {AggregateError} If several failed; the error itself if one did.
   */
  dispose(): void {
    const errors: unknown[] = [];
    for (const undo of this.takeAll()) {
      try {
        undo();
      } catch (error) {
        errors.push(error);
      }
    }
    throwAll(errors);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The same of what is waited for. */
export class AsyncCleanup extends Undos<() => Promise<void> | void> implements AsyncDisposable {
  /** Has a value disposed of at the end. */
  use<T extends AsyncDisposable>(value: T): T {
    this.defer(async () => await value[Symbol.asyncDispose]());
    return value;
  }

  /** Another that undoes all of it later; this one undoes nothing then. */
  move(): AsyncCleanup {
    return this.giveTo(new AsyncCleanup());
  }

  /** @throws {AggregateError} If several failed; the error itself if one did. */
  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (const undo of this.takeAll()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    throwAll(errors);
  }
}

function throwAll(errors: readonly unknown[]): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, "Several things could not be undone");
}
