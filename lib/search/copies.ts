/** Whether two pictures are copies. The constants were measured: docs/entries/search.md. */

import type { Description } from "./describe.ts";
import { compareLayouts } from "./layout.ts";

/** The similarity from which on pictures are copies. */
export const COPIES = 0.85;
/** The similarity by look from which on layouts may tell that pictures are copies. */
export const LEAST_LOOK = 0.5;
/** A correlation of layouts is as sure as a similarity by look that is so much less. */
const LESS = 0.12;
/**
 * How much is of one color at least, and how much there is to be seen at most, of pages and the like, which all look
 * alike to the network.
 */
const PLAIN = 0.3, MAX_CONTENT = 360;
/** How far parts of the layouts of such pictures may differ, of 255. */
const MAX_DIFFERENCE = 4;

/**
 * How surely two pictures are copies, 0 … 1: their similarity by look, or what the correlation of their layouts is
 * worth, if that is more. 0 of two pages or the like, if their layouts differ anywhere or show nothing.
 *
 * @param look The cosine of what they look like.
 */
export function copySimilarity(a: Description, b: Description, look: number): number {
  const { correlation, difference } = compareLayouts(a.layout.parts, b.layout.parts);
  if (isPage(a) && isPage(b) && difference > MAX_DIFFERENCE) return 0;
  return look < LEAST_LOOK ? Math.max(0, look) : Math.max(look, correlation - LESS);
}

function isPage({ layout, content }: Description): boolean {
  return layout.plain >= PLAIN && content < MAX_CONTENT;
}
