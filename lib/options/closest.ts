/** What somebody may have meant. */

import { closestString } from "@std/text/closest-string";

/**
 * Characters of a given text that are compared. More are no name with a typo, and the search's time
 * grows with them: 16 KB against a thousand labels take a third of a second.
 */
const MAX_COMPARED = 128;

/** The known name that is the nearest to what was given. */
export function closestName(given: string, known: readonly string[]): string {
  return closestString(given.slice(0, MAX_COMPARED), known);
}

/** A text as it is shown in a message: its beginning, if it is long. */
export function shortened(text: string): string {
  return text.length <= MAX_COMPARED ? text : `${text.slice(0, MAX_COMPARED)}…`;
}
