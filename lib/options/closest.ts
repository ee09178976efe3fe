/** What somebody may have meant. */

import { closestString } from "@std/text/closest-string";
import { levenshteinDistance } from "@std/text/levenshtein-distance";

/**
 * Characters of a given text that are compared. More are no name with a typo, and the search's time
 * grows with them: 16 KB against a thousand labels take a third of a second.
 */
const MAX_COMPARED = 128;

/** Most names that a message lists: more than any table of options has. */
const MAX_LISTED = 60;

/** The known name that is the nearest to what was given. */
export function closestName(given: string, known: readonly string[]): string {
  return closestString(given.slice(0, MAX_COMPARED), known);
}

/**
 * The end of a message about a name that nobody knows: the nearest one, or all, unless they are many, where
 * none is near, as a guess that has nothing to do with what was given misleads.
 */
export function meant(given: string, known: readonly string[]): string {
  const nearest = closestName(given, known), compared = given.slice(0, MAX_COMPARED);
  const distance = levenshteinDistance(compared.toLowerCase(), nearest.toLowerCase());
  const isNear = 2 * distance <= Math.max(compared.length, nearest.length);
  return isNear || known.length > MAX_LISTED
    ? `did you mean ${nearest}?`
    : `expected one of ${known.join(", ")}`;
}

/** Letters by which a name with a typo differs from the one that is meant, if it is no short one. */
const NEAR = 2;

/** The known name that was meant, if one differs by no more than two letters, and by half of them. */
export function nearName(given: string, known: readonly string[]): string | undefined {
  const compared = given.slice(0, MAX_COMPARED), nearest = closestName(compared, known);
  const limit = Math.min(NEAR, compared.length >> 1);
  return levenshteinDistance(compared, nearest) <= limit ? nearest : undefined;
}

/** A text as it is shown in a message: its beginning, if it is long. */
export function shortened(text: string): string {
  return text.length <= MAX_COMPARED ? text : `${text.slice(0, MAX_COMPARED)}…`;
}
