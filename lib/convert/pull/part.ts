/**
 * A file on its way into the cache, and beside it a note of how far it is: what another process needs
 * to go on. Only one process at a time may use it.
 *
 * @module
 */

import { exists } from "../../io/cache.ts";

/** A note; what else is in it depends on what the file is. */
export type PartNote = Readonly<Record<string, unknown>>;

/** The file and its note. */
export class Part {
  readonly #notePath: string;

  /** @param url Where it comes from. */
  constructor(readonly path: string, readonly url: URL) {
    this.#notePath = `${path}.json`;
  }

  /** The note, if there is one, of this URL and a known version of what is there, and a file. */
  async readNote(): Promise<PartNote & { readonly validator: string } | undefined> {
    if (!await exists(this.path)) return undefined;
    try {
      const note = JSON.parse(await Deno.readTextFile(this.#notePath));
      const { url, validator } = note ?? {};
      return url === this.url.href && typeof validator === "string" ? note : undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** Replaces the note, in one step. @param validator The server's ETag or date of the file. */
  async writeNote(validator: string | undefined, note: PartNote): Promise<void> {
    const text = JSON.stringify({ url: this.url.href, validator, ...note });
    await Deno.writeTextFile(`${this.#notePath}.tmp`, text);
    await Deno.rename(`${this.#notePath}.tmp`, this.#notePath);
  }

  /** Without its note a file is not taken up. */
  async removeNote(): Promise<void> {
    for (const path of [`${this.#notePath}.tmp`, this.#notePath]) {
      if (await exists(path)) await Deno.remove(path);
    }
  }

  async remove(): Promise<void> {
    await this.removeNote();
    if (await exists(this.path)) await Deno.remove(this.path);
  }
}
