/** Random numbers from a seed, so that a fit can be repeated and resumed. */

/**
 * Numbers in `[0, 1)` (Marsaglia, 2003, "Xorshift RNGs": 13, 17, 5).
 *
 * @param seed 0…2^53 - 1
 */
export function randomFrom(seed: number): () => number {
  // Neighboring seeds are spread apart, and so are those of the same low bits; the state must not be 0.
  const high = finalized(Math.floor(seed / 2 ** 32));
  let state = Math.imul(seed + 1, 0x9e3779b1) ^ high || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/**
 * A seed of several whole numbers, such as a fit's seed, an epoch and a picture: of neighbors, seeds that have nothing
 * in common. Numbers of 53 bits count in full.
 *
 * Each 32 bits go through the finalizer of MurmurHash3 (Appleby, 2011, `fmix32`), in which each bit of the input
 * changes each of the output in half of all cases, as SplitMix (Steele and others, 2014) does in between its steps.
 *
 * @returns 0…2^32 - 1
 */
export function mixed(...numbers: readonly number[]): number {
  const words = numbers.flatMap((number) => [number, Math.floor(number / 2 ** 32)]);
  return words.reduce((hash, word) => finalized(hash + 0x9e3779b9 ^ word), 0);
}

function finalized(word: number): number {
  word = Math.imul(word ^ word >>> 16, 0x85ebca6b);
  word = Math.imul(word ^ word >>> 13, 0xc2b2ae35);
  return (word ^ word >>> 16) >>> 0;
}

/** Numbers with mean 0 and standard deviation 1 (Box and Muller). */
export function normalFrom(next: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** The numbers from 0 to `count - 1` in random order (Fisher and Yates). */
export function shuffled(count: number, next: () => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
