/** What a value in a file that anyone may have written is. */

/** An object with names, no list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A value for a message. Not by a template: an object with a field `toString` cannot be made a text,
 * and one that is nested without end cannot be written either.
 */
export function jsonText(value: unknown): string {
  try {
    const text = JSON.stringify(value) ?? "nothing";
    return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  } catch {
    return "a value that is nested too deep";
  }
}

/** Most characters of a value that a message shows. */
const MAX_SHOWN = 200;

/** A count, a length or an offset. */
export function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A shape, or other sizes. */
export function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isSize);
}
