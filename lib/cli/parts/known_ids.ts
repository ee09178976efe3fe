/** Which ids have been seen, in memory that a set of texts would not fit into. */

/** Share of the places that may be taken. */
const FULL = 0.7;

/** A set of 64-bit fingerprints of texts. */
export class KnownIds {
  /** Two words a place; both 0 where it is free. */
  #places = new Uint32Array(2 * 2 ** 12);
  #count = 0;

  /** @returns Whether the id has not been seen: `false` may, some 1 in 10^12 times, be said of a new one. */
  add(id: string): boolean {
    if (this.#count >= FULL * this.#places.length / 2) this.#grow();
    const [low, high] = fingerprint(id);
    if (!put(this.#places, low, high)) return false;
    this.#count++;
    return true;
  }

  #grow(): void {
    const grown = new Uint32Array(2 * this.#places.length);
    for (let at = 0; at < this.#places.length; at += 2) {
      const low = this.#places[at]!, high = this.#places[at + 1]!;
      if (low !== 0 || high !== 0) put(grown, low, high);
    }
    this.#places = grown;
  }
}

function put(places: Uint32Array, low: number, high: number): boolean {
  const last = places.length / 2 - 1; // A power of two less one.
  for (let place = low & last;; place = (place + 1) & last) {
    const at = 2 * place, isFree = places[at] === 0 && places[at + 1] === 0;
    if (!isFree && (places[at] !== low || places[at + 1] !== high)) continue;
    places[at] = low;
    places[at + 1] = high;
    return isFree;
  }
}

/** Two mixes of the text's code units (MurmurHash3's multipliers and finish), never both 0. */
function fingerprint(text: string): readonly [low: number, high: number] {
  let low = 0x9e3779b9 ^ text.length, high = 0x85ebca6b ^ text.length;
  for (let n = 0; n < text.length; n++) {
    const unit = text.charCodeAt(n);
    low = Math.imul(low ^ unit, 0xcc9e2d51);
    low = low << 13 | low >>> 19;
    high = Math.imul(high ^ unit, 0x1b873593);
    high = high << 17 | high >>> 15;
  }
  return [finish(low ^ high >>> 7) || 1, finish(high ^ low << 5)];
}

function finish(word: number): number {
  word = Math.imul(word ^ word >>> 16, 0x85ebca6b);
  word = Math.imul(word ^ word >>> 13, 0xc2b2ae35);
  return (word ^ word >>> 16) >>> 0;
}
