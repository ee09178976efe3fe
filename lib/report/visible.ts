/**
 * Texts from outside as people may see them: a terminal obeys control characters, and what cannot be
 * seen makes one name look like another.
 */

/**
 * Controls (C0 with line breaks and tabs, DEL, C1), line and paragraph separators, formats (the
 * bidirectional ones among them), what is drawn as nothing, and halves of surrogate pairs. What emoji,
 * Persian and the scripts of India are written with is none of them: the joiners U+200C and U+200D,
 * and variation selectors.
 *
 * @see {@link https://unicode.org/reports/tr44/#Property_Index} for the properties' names
 */
const UNSEEN =
  /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]--[\u200c\u200d\p{Variation_Selector}]]/v;

/** A backslash before `u{` too, so that what is shown stands for one text alone. */
const TO_ESCAPE = new RegExp(`${UNSEEN.source}|\\\\(?=u\\{)`, "gv");

/**
 * Escapes what cannot be seen, so that a text takes one line and ends nowhere but at its end: an escape
 * character is shown as `\u{1b}`, a line break as `\u{a}`. Other texts stay what they are, with their
 * backslashes.
 */
export function visible(text: string): string {
  return text.replace(TO_ESCAPE, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

const UNSEEN_IN_JSON = new RegExp(UNSEEN, "gv");

/** JSON in which what cannot be seen is escaped. It stands for the same value as `JSON.stringify`'s. */
export function visibleJson(value: unknown): string {
  // Outside of strings there is nothing to escape.
  return JSON.stringify(value).replace(
    UNSEEN_IN_JSON,
    (char) => char.split("").map((unit) => `\\u${hex4(unit.charCodeAt(0))}`).join(""),
  );
}

function hex4(code: number): string {
  return code.toString(16).padStart(4, "0");
}
